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
  const over = () => controller.abort(new DOMException('no answer in time', 'TimeoutError'))
  let timer = setTimeout(over, ms)
  return {
    signal: controller.signal,
    restart: again => {
      clearTimeout(timer)
      timer = setTimeout(over, again)
    },
    clear: () => {
      clearTimeout(timer)
      outer.removeEventListener('abort', give)
    },
  }
}
