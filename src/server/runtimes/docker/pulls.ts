type Progress = (line: string) => void

interface Underway {
  readonly lines: string[]
  readonly listeners: Set<Progress>
  readonly abandoned: AbortController
  readonly done: Promise<void>
  waiting: number
}

/**
 * Pulls of the same image at the same time are one pull: the engine would share the layers, but not the questions to the
 * registry, which count how often they are asked. It ends early only when nobody waits for it any more.
 */
export class Pulls {
  readonly #underway = new Map<string, Underway>()

  /** `key`: the image, and with whose credentials, because others' must not get at it through this. */
  async join(
    key: string,
    pull: (signal: AbortSignal, onProgress: Progress) => Promise<void>,
    { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: Progress },
  ): Promise<void> {
    signal?.throwIfAborted()
    const underway = this.#underway.get(key) ?? this.#begin(key, pull)
    for (const line of underway.lines) onProgress?.(line)
    if (onProgress) underway.listeners.add(onProgress)
    underway.waiting += 1
    const gaveUp = Promise.withResolvers<never>()
    const giveUp = () => gaveUp.reject(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await Promise.race([underway.done, gaveUp.promise])
    } finally {
      signal?.removeEventListener('abort', giveUp)
      if (onProgress) underway.listeners.delete(onProgress)
      underway.waiting -= 1
      if (underway.waiting === 0) this.#end(key, underway)
    }
  }

  #begin(key: string, pull: (signal: AbortSignal, onProgress: Progress) => Promise<void>): Underway {
    const abandoned = new AbortController()
    const lines: string[] = []
    const listeners = new Set<Progress>()
    const done = pull(abandoned.signal, line => {
      lines.push(line)
      for (const listener of listeners) listener(line)
    })
    const underway: Underway = { lines, listeners, abandoned, done, waiting: 0 }
    this.#underway.set(key, underway)
    // whoever waits hears of a failure; nobody may be left, and whoever comes later pulls anew
    done.catch(() => {}).finally(() => this.#forget(key, underway))
    return underway
  }

  #end(key: string, underway: Underway): void {
    this.#forget(key, underway)
    underway.abandoned.abort()
  }

  #forget(key: string, underway: Underway): void {
    if (this.#underway.get(key) === underway) this.#underway.delete(key)
  }
}
