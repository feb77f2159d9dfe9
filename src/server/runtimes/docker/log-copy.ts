import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { Cursor, OutputFrame } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'
import { FrameParser } from './frames.ts'
import { type Inspected, inspectPatiently } from './inspection.ts'

const RECONNECT_MS = 50
const ATTEMPTS_WITHOUT_PROGRESS = 10

/**
 * Output from the engine's recovery copy, from `cursor` on. It is read from its start each time and what is known already is
 * skipped by count: asking the engine for "since a time" makes it scan the whole file too, is inclusive, and stands on a
 * clock that may step. Following misses the last record if that has no newline (23 of 30 runs measured), so after the end
 * there is always one more read that does not follow.
 */
export async function* logCopy(
  engine: Engine,
  id: string,
  cursor: Cursor,
  signal?: AbortSignal,
): AsyncGenerator<OutputFrame> {
  const known = { ...cursor }
  for (let failures = 0; ; ) {
    const found = await inspectPatiently(engine, id, signal)
    if (!found) throw new WritError('container_lost')
    const { Running: running } = found.State
    const before = known.stdout + known.stderr
    try {
      const skip = { ...known }
      for await (const { stream, data } of recorded(engine, found, signal)) {
        const fresh = data.subarray(Math.min(skip[stream], data.length))
        skip[stream] -= data.length - fresh.length
        known[stream] += fresh.length
        if (fresh.length > 0) yield { stream, data: fresh }
      }
      if (!running) return
    } catch (error) {
      signal?.throwIfAborted()
      if (isGone(error)) throw new WritError('container_lost')
      failures = known.stdout + known.stderr > before ? 0 : failures + 1
      if (failures === ATTEMPTS_WITHOUT_PROGRESS) throw refusal(error, 'runtime_unavailable')
    }
    await sleep(RECONNECT_MS, undefined, signal ? { signal } : {})
  }
}

async function* recorded(engine: Engine, container: Inspected, signal?: AbortSignal): AsyncGenerator<OutputFrame> {
  const query = { stdout: 1, stderr: 1, follow: container.State.Running ? 1 : 0 }
  const { body } = await engine.stream('GET', `/containers/${container.Id}/logs`, { query, signal })
  const parser = new FrameParser()
  for await (const chunk of body) {
    if (container.Config.Tty) yield { stream: 'stdout', data: chunk }
    else yield* parser.push(chunk)
  }
}
