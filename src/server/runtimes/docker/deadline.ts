export interface Deadline {
  readonly signal: AbortSignal
  /** In time: only `parent` can abort from here on. */
  met(): void
  /** Over: nothing aborts from here on. */
  clear(): void
}

/** Aborts when `ms` (0: no limit) have passed or `parent` aborts. */
export function deadline(ms: number, parent: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  const abort = () => controller.abort(parent?.reason)
  if (parent?.aborted) abort()
  parent?.addEventListener('abort', abort)
  const timer = ms > 0 ? setTimeout(() => controller.abort(new Error(`no answer within ${ms} ms`)), ms) : undefined
  const met = () => clearTimeout(timer)
  return {
    signal: controller.signal,
    met,
    clear() {
      met()
      parent?.removeEventListener('abort', abort)
    },
  }
}
