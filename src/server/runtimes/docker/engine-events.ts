import type { Engine } from './engine.ts'
import type { Inspected } from './inspection.ts'

/** An event follows what it tells of, sometimes only when the engine has written that down. */
const NEWS_SECONDS = 3

/**
 * Whether the engine tells this event of a container that was started. It keeps its last 256 events in memory: so `start` is there exactly as
 * long as it is still the process that started the container, and for as long as there was not much else. False: it cannot be told.
 */
export async function hasSeen(
  engine: Engine,
  { Id, State }: Pick<Inspected, 'Id' | 'State'>,
  events: readonly ('start' | 'die' | 'oom')[],
  { waitSeconds = NEWS_SECONDS, signal }: { waitSeconds?: number; signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  const from = seconds(State.StartedAt)
  const last = events.every(event => event === 'start') ? from : seconds(State.FinishedAt)
  const filters = JSON.stringify({ type: ['container'], event: events, container: [Id] })
  const query = { since: Math.floor(from).toFixed(0), until: (last + waitSeconds).toFixed(3), filters }
  try {
    const { body } = await engine.stream('GET', '/events', { query, signal })
    for await (const chunk of body) if (chunk.length > 1) return true
    return false
  } catch {
    signal?.throwIfAborted()
    return false
  }
}

/** Unix time: the API takes no other form. */
function seconds(time: string): number {
  return Date.parse(time) / 1000
}
