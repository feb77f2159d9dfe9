import { setTimeout as sleep } from 'node:timers/promises'

/** At the end of a start that was given up: nobody was served yet. Longer than a database that is silent is waited for, and shorter than `docker stop` waits. */
const CLOSE_MS = 8_000

type Closer = () => Promise<unknown>

/** Where what is opened says how it is closed. */
export interface Closers {
  push(closer: Closer): unknown
}

/** What a start has opened so far. */
export class Opened implements Closers {
  readonly #closers: Closer[] = []
  readonly #signal: AbortSignal | undefined

  /** `signal`: the start is not to go on. */
  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /** It is closed before what was opened earlier. */
  push(closer: Closer): void {
    this.#closers.push(closer)
  }

  /** Waits for a part of the start, which may take as long as a peer is away. Throws the reason of the signal as soon as there is one. */
  async step<T>(work: Promise<T> | T): Promise<T> {
    const signal = this.#signal
    if (!signal) return await work
    const over = Promise.withResolvers<never>()
    const stop = () => over.reject(signal.reason)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      return await Promise.race([work, over.promise])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await closer()
  }

  /** After a start that failed, or was given up: whatever is open would keep the process from ending. */
  async giveUp(): Promise<void> {
    const closed = this.close()
    await (this.#signal?.aborted ? Promise.race([closed, sleep(CLOSE_MS, undefined, { ref: false })]) : closed)
  }
}
