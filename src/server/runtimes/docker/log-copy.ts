import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { OutputFrame, OutputStream, SystemLine } from '../runtime.ts'
import type { CopySize } from './copy-size.ts'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'
import { hasSeen } from './engine-events.ts'
import { CopyUnreadable, FrameParser } from './frames.ts'
import { type Inspected, inspectPatiently } from './inspection.ts'
import type { Rejoin } from './rejoin.ts'

const NAMES = ['stdout', 'stderr'] as const
const RECONNECT_MS = 50
/** Nothing new comes of a copy that cannot be read on, and it is read from its start each time. */
const STUCK_MS = 5_000
const ATTEMPTS_WITHOUT_PROGRESS = 10
const GAP: SystemLine = {
  stream: 'system',
  data: Buffer.from('Output may be missing here: the container engine was restarted, or cannot read its copy of it.\n'),
  gap: true,
}

type Streams = Readonly<Record<OutputStream, Rejoin>>

/**
 * Output from the engine's recovery copy, from the positions of `streams` on. It is read from its start each time and
 * what is known already is skipped by count: asking the engine for "since a time" makes it scan the whole file too, is
 * inclusive, and stands on a clock that may step. Following misses the last record if that has no newline (23 of 30
 * runs measured), so after the end there is always one more read that does not follow. `ended`: it was seen to have ended, by an
 * engine that was there all the time. One that was not loses what it had read from the job and not yet written down, however it ended; a gap
 * stands where that may be (ADR 33).
 */
export async function* logCopy(
  engine: Engine,
  id: string,
  streams: Streams,
  { ended, size, signal }: { ended?: Pick<Recorded, 'tty'> | null; size: CopySize; signal?: AbortSignal | undefined },
): AsyncGenerator<OutputFrame | SystemLine> {
  const progress = () => streams.stdout.given + streams.stderr.given
  let container: Recorded | null = ended ? { ...ended, id, running: false } : null
  // somebody may have looked away
  let connected = container !== null
  let gapAt = -1
  let pauseMs = RECONNECT_MS
  if (connected) for (const name of NAMES) streams[name].trust()
  for (let failures = 0; ; ) {
    if (!container) {
      const found = await lookAt(engine, id, signal)
      if (connected || (await isSame(engine, found, signal))) {
        if (gapAt < 0) for (const name of NAMES) streams[name].trust()
      } else if (gapAt !== progress()) {
        gapAt = progress()
        yield GAP
      }
      container = recordedOf(found)
    }
    const { running } = container
    const before = progress()
    try {
      for (const name of NAMES) streams[name].restart()
      size.restart()
      for await (const { stream, data } of readCopy(engine, container, signal)) {
        size.read(data)
        const fresh = streams[stream].accept(data)
        if (fresh.data.length > 0) yield { stream, ...fresh }
      }
      connected = true
      if (!running) break
    } catch (error) {
      signal?.throwIfAborted()
      if (isGone(error)) throw new WritError('container_lost')
      connected = error instanceof CopyUnreadable
      if (connected && gapAt !== progress()) {
        gapAt = progress()
        yield GAP
      }
      if (connected && !running) break
      failures = connected || progress() > before ? 0 : failures + 1
      if (failures === ATTEMPTS_WITHOUT_PROGRESS) throw refusal(error, 'runtime_unavailable')
    }
    container = null
    await sleep(pauseMs, undefined, signal ? { signal } : {})
    pauseMs = progress() > before ? RECONNECT_MS : Math.min(pauseMs * 2, STUCK_MS)
  }
  for (const stream of NAMES) {
    const fresh = streams[stream].end()
    if (fresh.data.length > 0) yield { stream, ...fresh }
  }
}

/** Without a daemon there is nothing that could be away: Podman's copy is written by a process of the container's own. */
async function isSame(engine: Engine, found: Inspected, signal?: AbortSignal): Promise<boolean> {
  return (await engine.isPodman(signal)) || (await hasSeen(engine, found, ['start'], { signal }))
}

/** A container whose output the engine has a recovery copy of. */
interface Recorded {
  readonly id: string
  readonly tty: boolean
  readonly running: boolean
}

function recordedOf({ Id, Config, State }: Inspected): Recorded {
  return { id: Id, tty: Config.Tty, running: State.Running }
}

async function lookAt(engine: Engine, id: string, signal?: AbortSignal): Promise<Inspected> {
  const found = await inspectPatiently(engine, id, signal)
  if (!found) throw new WritError('container_lost')
  return found
}

/** What the engine reads of its copy, followed while the container runs. Throws `CopyUnreadable`. */
async function* readCopy(
  engine: Engine,
  { id, tty, running }: Recorded,
  signal?: AbortSignal,
): AsyncGenerator<OutputFrame & { data: Buffer }> {
  const query = { stdout: 1, stderr: 1, follow: running ? 1 : 0 }
  const { body } = await engine.stream('GET', `/containers/${id}/logs`, { query, signal })
  const parser = new FrameParser()
  for await (const chunk of body) {
    if (tty) yield { stream: 'stdout', data: chunk }
    else yield* parser.push(chunk)
  }
}
