/**
 * What ends a wait: an AbortSignal, or something lighter for whoever makes one for each of a thousand requests a second. A listener is
 * called once.
 */
export interface Signal {
  readonly aborted: boolean
  /** Why, once it is aborted. */
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Waits for so long. Throws the signal's reason when that comes first. */
export async function pause(ms: number, signal: Signal | undefined): Promise<void> {
  if (signal?.aborted) throw signal.reason
  let stop = () => {}
  try {
    await new Promise<void>((done, failed) => {
      const timer = setTimeout(done, ms)
      stop = () => {
        clearTimeout(timer)
        failed(signal?.reason)
      }
      signal?.addEventListener('abort', stop, { once: true })
    })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
