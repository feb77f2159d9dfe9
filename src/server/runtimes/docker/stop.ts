import type { Engine } from './engine.ts'
import { EngineError, isGone } from './engine-error.ts'
import { inspect, phaseOf } from './inspection.ts'

export interface RuntimeLog {
  warn(fields: object, message: string): void
}

const BEYOND_GRACE_MS = 60_000

/**
 * The engine itself counts the grace and kills, so both happen even if this process dies meanwhile. Its answer comes
 * only after the end, which is too late for whoever asked; the look before shows that there is an engine.
 */
export async function stopContainer(
  engine: Engine,
  name: string,
  graceSeconds: number,
  log?: RuntimeLog,
): Promise<void> {
  const found = await inspect(engine, name)
  if (!found || phaseOf(found) !== 'running') return
  const stopping = engine.json('POST', `/containers/${found.Id}/stop`, {
    query: { t: graceSeconds },
    deadlineMs: graceSeconds * 1000 + BEYOND_GRACE_MS,
  })
  stopping.catch(error => {
    if (!isGone(error) && !hasEnded(error))
      log?.warn({ container: name, err: error }, 'the engine did not stop the container')
  })
}

function hasEnded(error: unknown): boolean {
  return error instanceof EngineError && error.status === 304
}
