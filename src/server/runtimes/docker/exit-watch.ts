import { WritError } from '../../../protocol/errors.ts'
import type { Exit } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { isGone } from './engine-error.ts'
import { exitOf, inspectPatiently } from './inspection.ts'

/**
 * A `wait` is asked anew after this time, with a look at the container between: a stopped engine keeps a `wait` open
 * for ever.
 */
const SLICE_MS = 60_000

export interface ExitWatch {
  readonly exit: Promise<Exit>
  /** Resolves when the engine was lost from sight, even if it came back: what streamed meanwhile may have gaps. */
  readonly interrupted: Promise<void>
}

/**
 * Waits for the end of a container that was started. (Of one that was only created, the engine says at once that it
 * ended with 0.) The answer of `wait` is only a hint to look: it lacks the out-of-memory flag, and when the engine dies
 * in the middle of it, it never comes.
 */
export function watchExit(engine: Engine, id: string, signal?: AbortSignal): ExitWatch {
  let interrupt = () => {}
  const interrupted = new Promise<void>(resolve => {
    interrupt = resolve
  })
  const exit = ended(engine, id, interrupt, signal)
  // Whoever reads the output first must not be ended by a rejection that nobody awaits yet.
  exit.catch(() => {})
  return { exit, interrupted }
}

async function ended(engine: Engine, id: string, interrupt: () => void, signal?: AbortSignal): Promise<Exit> {
  for (;;) {
    const code = await answered(engine, id, interrupt, signal)
    const found = await inspectPatiently(engine, id, signal)
    if (found && !found.State.Running) return exitOf(found)
    if (found) continue
    // Removed by somebody else at once; what `wait` said still holds.
    if (code !== undefined) return { code, outOfMemory: false }
    throw new WritError('container_lost')
  }
}

async function answered(engine: Engine, id: string, interrupt: () => void, signal?: AbortSignal) {
  const slice = AbortSignal.timeout(SLICE_MS)
  const either = signal ? AbortSignal.any([signal, slice]) : slice
  try {
    const answer = await engine.json<{ StatusCode: number }>('POST', `/containers/${id}/wait`, {
      signal: either,
      deadlineMs: 0,
    })
    return answer.StatusCode
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (!slice.aborted && !isGone(error)) interrupt()
    return undefined
  }
}
