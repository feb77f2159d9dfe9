/** A limit of time, and whatever else ends the waiting. */
export interface Deadline {
  readonly signal: AbortSignal
  /** The time begins anew, for the next step of what is waited for. */
  restart(ms: number): void
  /** To be called when nobody waits any more. */
  clear(): void
}

/**
 * As `AbortSignal.any` with `AbortSignal.timeout`, but gone when it is cleared: those stay until their time is over, which for each of a
 * thousand requests a second is memory and work of the collector.
 */
export function deadline(ms: number, outer: AbortSignal): Deadline {
  const controller = new AbortController()
  const give = () => controller.abort(outer.reason)
  if (outer.aborted) give()
  else outer.addEventListener('abort', give, { once: true })
  let end = performance.now() + ms
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
  let timer = setTimeout(look, ms)
  return {
    signal: controller.signal,
    restart: again => {
      end = performance.now() + again
      // a later end needs no timer of its own: the one that there is looks again
      if (end >= due) return
      clearTimeout(timer)
      arm(again)
    },
    clear: () => {
      clearTimeout(timer)
      outer.removeEventListener('abort', give)
    },
  }
}
