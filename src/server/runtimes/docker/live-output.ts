import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OutputFrame, OutputStream, SystemLine } from '../runtime.ts'
import type { CopySize } from './copy-size.ts'
import { endsAlike } from './ends-alike.ts'
import type { Engine } from './engine.ts'
import type { ExitWatch } from './exit-watch.ts'
import { FrameParser } from './frames.ts'
import { logCopy } from './log-copy.ts'
import { type Piece, RecordedText } from './recorded-text.ts'
import { Rejoin } from './rejoin.ts'

/**
 * The end of the output and the news of the exit are 30 ms apart, and some hundred after much output, which the engine
 * is still writing down; much more means that the line was cut.
 */
const EXIT_FOLLOWS_MS = 2_000
/**
 * Up to here all is compared with the recovery copy, which costs 2 ms, beyond it the end alone. A proxy in between that takes the end of the
 * job's input for the end of everything cuts the line at the very start, and of a short job nothing would be left.
 */
const COMPARED_BYTES = 64 * 1024

export interface LiveContainer {
  readonly engine: Engine
  readonly id: string
  readonly tty: boolean
  readonly socket: Duplex
  readonly watch: ExitWatch
  readonly size: CopySize
  readonly signal?: AbortSignal | undefined
}

/**
 * The output as it comes over the attached connection, which loses nothing, unlike following the log. It is read only
 * as fast as it is consumed: a slow consumer makes the job wait, after 1 to 2 MB, instead of filling our memory. The
 * end of the connection proves nothing about the container; if the engine was away, the rest comes from the recovery
 * copy.
 */
export async function* liveOutput(container: LiveContainer): AsyncGenerator<OutputFrame | SystemLine> {
  const { engine, id, tty, socket, watch, size, signal } = container
  const parser = new FrameParser()
  const copied = { exact: await engine.isPodman(signal), size }
  const texts = { stdout: new RecordedText(copied), stderr: new RecordedText(copied) }
  const delivered = { stdout: 0, stderr: 0 }
  function* counted(stream: OutputStream, pieces: Iterable<Piece>): Generator<OutputFrame> {
    for (const piece of pieces) {
      delivered[stream] += piece.advance?.(piece.data.length) ?? piece.data.length
      yield { stream, ...piece }
    }
  }
  try {
    let whole = true
    try {
      for await (const chunk of socket) {
        if (tty) yield* counted('stdout', texts.stdout.push(chunk))
        else for (const { stream, data } of parser.push(chunk)) yield* counted(stream, texts[stream].push(data))
      }
    } catch {
      signal?.throwIfAborted()
      whole = false
    }
    const ended = whole && parser.complete && (await seenToTheEnd(watch))
    const given = (stream: OutputStream) => ({
      bytes: delivered[stream] + texts[stream].held.copy.length,
      tail: Buffer.concat([texts[stream].tail.subarray(-COMPARED_BYTES), texts[stream].held.copy]),
    })
    const much = delivered.stdout + delivered.stderr > COMPARED_BYTES
    const ends = async () =>
      endsAlike(engine, { id, tty }, { stdout: given('stdout'), stderr: given('stderr') }, signal)
    if (ended && much && (await ends().catch(() => false))) {
      yield* counted('stdout', texts.stdout.end())
      yield* counted('stderr', texts.stderr.end())
    } else {
      const rejoin = (stream: OutputStream) => new Rejoin(delivered[stream], texts[stream].tail)
      const copy = logCopy(
        engine,
        id,
        { stdout: rejoin('stdout'), stderr: rejoin('stderr') },
        // what ended by its own account need not be looked at again
        { ended: ended ? { tty } : null, size, signal },
      )
      yield* withExactEnd(copy, { stdout: texts.stdout.held, stderr: texts.stderr.held })
    }
  } finally {
    socket.destroy()
  }
}

type Held = RecordedText['held']

/**
 * A stream may end with the start of a character, which was not given out yet. If all that is new in the copy is what the copy
 * makes of it, nothing else was missed, and the bytes themselves are known.
 */
async function* withExactEnd(
  copy: AsyncIterable<OutputFrame | SystemLine>,
  held: Record<OutputStream, Held>,
): AsyncGenerator<OutputFrame | SystemLine> {
  const begun: Record<OutputStream, Buffer | null> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  for await (const frame of copy) {
    if (frame.stream === 'system') {
      yield frame
      continue
    }
    const { stream, data } = frame
    const start = begun[stream]
    const fresh = start === null ? data : Buffer.concat([start, data])
    // what is at another place than it was counted to is not the rest of what came before
    begun[stream] = fresh.length <= held[stream].copy.length && !frame.advance ? Buffer.from(fresh) : null
    if (begun[stream] === null) yield start?.length ? { stream, data: fresh } : frame
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const [fresh, { data, copy: expected }] = [begun[stream], held[stream]]
    if (!fresh?.length) continue
    if (fresh.equals(expected)) yield { stream, data, advance: () => fresh.length }
    else yield { stream, data: fresh }
  }
}

async function seenToTheEnd(watch: ExitWatch): Promise<boolean> {
  const interrupted = watch.interrupted.then(() => false)
  const exited = watch.exit.then(
    () => true,
    () => false,
  )
  const ended = watch.ended.then(() => true)
  return Promise.race([interrupted, ended, exited, sleep(EXIT_FOLLOWS_MS, false, { ref: false })])
}
