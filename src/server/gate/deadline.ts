/** A limit of time, and whatever else ends the waiting. */
export interface Deadline {
  readonly signal: AbortSignal
  /** The time begins anew, for the next step of what is waited for. What is for all steps together does not. */
  restart(ms: number): void
  /** Nobody waits any more: the signal ends for this reason. */
  end(reason: Error): void
  /** To be called when nobody waits any more. */
  clear(): void
}

/**
 * As `AbortSignal.any` with `AbortSignal.timeout`, but gone when it is cleared: those stay until their time is over, which for each of a
 * thousand requests a second is memory and work of the collector. `ms` is for the first step, `allMs` for all of them together.
 */
export function deadline(ms: number, outer: AbortSignal | null = null, allMs = Number.POSITIVE_INFINITY): Deadline {
  const controller = new AbortController()
  const give = () => controller.abort(outer?.reason)
  if (outer?.aborted) give()
  else outer?.addEventListener('abort', give, { once: true })
  const last = performance.now() + allMs
  let end = Math.min(performance.now() + ms, last)
  let due = end
  const look = () => {
    const left = end - performance.now()
    if (left > 0) arm(left)
    else controller.abort(new DOMException('no answer in time', 'TimeoutError'))
  }
  const arm = (wait: number) => {
    due = performance.now() + wait
    // never early: a timer counts in whole milliseconds
    timer = setTimeout(look, Math.ceil(wait))
  }
  let timer = setTimeout(look, Math.ceil(Math.min(ms, allMs)))
  return {
    signal: controller.signal,
    restart: again => {
      const now = performance.now()
      end = Math.min(now + again, last)
      // a later end needs no timer of its own: the one that there is looks again
      if (end >= due || controller.signal.aborted) return
      clearTimeout(timer)
      arm(end - now)
    },
    end: reason => {
      clearTimeout(timer)
      controller.abort(reason)
    },
    clear: () => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', give)
    },
  }
}
