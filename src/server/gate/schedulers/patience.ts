import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { Signal } from '../../../vault/signal.ts'
import { Deadline } from '../deadline.ts'

/** No lookup takes longer than this, whatever hangs and however many peers there are to try. */
const LOOKUP_MS = 15_000
/** vault-gatekeeper's pauses (gatekeeper.md §8.1): a task may ask before its scheduler has noted that it has started. */
const PAUSES_MS = [500, 750, 1_000]

/** Runs a lookup within its time, again while the task has not started. */
export async function patiently<T>(
  signal: Signal,
  lookup: (signal: AbortSignal) => Promise<T>,
  pauses: readonly number[] = PAUSES_MS,
): Promise<T> {
  const deadline = new Deadline(LOOKUP_MS, signal)
  const limit = deadline.toAbortSignal()
  try {
    for (const pause of pauses) {
      try {
        return await within(limit, lookup(limit))
      } catch (error) {
        if (!(error instanceof WritError) || error.code !== 'task_not_started') throw error
        await within(limit, sleep(pause, undefined, { signal: limit }))
      }
    }
    return await within(limit, lookup(limit))
  } finally {
    deadline.clear()
  }
}

/** Waits for a promise no longer than the signal lets it, also for one that has never heard of the signal. */
async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let give: () => void = () => {}
  const late = new Promise<never>((_, reject) => {
    give = () => reject(new WritError('scheduler_unavailable', 'no answer in time', { cause: signal.reason }))
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    if (error instanceof WritError || !signal.aborted) throw error
    throw new WritError('scheduler_unavailable', 'no answer in time', { cause: error })
  } finally {
    signal.removeEventListener('abort', give)
  }
}
