import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { OutputFrame, OutputStream } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'
import { FrameParser } from './frames.ts'
import { inspectPatiently } from './inspection.ts'
import type { Rejoin } from './rejoin.ts'

const NAMES = ['stdout', 'stderr'] as const
const RECONNECT_MS = 50
const ATTEMPTS_WITHOUT_PROGRESS = 10

/**
 * Output from the engine's recovery copy, from the positions of `streams` on. It is read from its start each time and
 * what is known already is skipped by count: asking the engine for "since a time" makes it scan the whole file too, is
 * inclusive, and stands on a clock that may step. Following misses the last record if that has no newline (23 of 30
 * runs measured), so after the end there is always one more read that does not follow. `ended`: it was seen to have ended.
 */
export async function* logCopy(
  engine: Engine,
  id: string,
  streams: Readonly<Record<OutputStream, Rejoin>>,
  { ended, signal }: { ended?: Pick<Recorded, 'tty'> | null; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<OutputFrame> {
  const progress = () => streams.stdout.known + streams.stderr.known
  for (let failures = 0; ; ) {
    const found = ended && failures === 0 ? { ...ended, id, running: false } : await lookAt(engine, id, signal)
    const before = progress()
    try {
      for (const name of NAMES) streams[name].restart()
      for await (const { stream, data } of recorded(engine, found, signal)) {
        const fresh = streams[stream].accept(data)
        if (fresh.length > 0) yield { stream, data: fresh }
      }
      if (!found.running) break
    } catch (error) {
      signal?.throwIfAborted()
      if (isGone(error)) throw new WritError('container_lost')
      failures = progress() > before ? 0 : failures + 1
      if (failures === ATTEMPTS_WITHOUT_PROGRESS) throw refusal(error, 'runtime_unavailable')
    }
    await sleep(RECONNECT_MS, undefined, signal ? { signal } : {})
  }
  for (const stream of NAMES) {
    const fresh = streams[stream].end()
    if (fresh.length > 0) yield { stream, data: fresh }
  }
}

interface Recorded {
  readonly id: string
  readonly tty: boolean
  readonly running: boolean
}

async function lookAt(engine: Engine, id: string, signal?: AbortSignal): Promise<Recorded> {
  const found = await inspectPatiently(engine, id, signal)
  if (!found) throw new WritError('container_lost')
  return { id: found.Id, tty: found.Config.Tty, running: found.State.Running }
}

async function* recorded(
  engine: Engine,
  container: Recorded,
  signal?: AbortSignal,
): AsyncGenerator<OutputFrame & { data: Buffer }> {
  const query = { stdout: 1, stderr: 1, follow: container.running ? 1 : 0 }
  const { body } = await engine.stream('GET', `/containers/${container.id}/logs`, { query, signal })
  const parser = new FrameParser()
  for await (const chunk of body) {
    if (container.tty) yield { stream: 'stdout', data: chunk }
    else yield* parser.push(chunk)
  }
}
