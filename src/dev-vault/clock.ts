/**
 * The time by which tokens, leases and wrapped answers age. It runs with the machine's clock and can be moved forward, so a test
 * sees something expire without waiting for it.
 */
export class Clock {
  #offset = 0
  readonly #listeners = new Set<() => void>()
  readonly #source: () => number

  /** `source` gives the time in milliseconds; one that stands still makes a test independent of how fast the machine is. */
  constructor(source: () => number = Date.now) {
    this.#source = source
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#source() + this.#offset
  }

  /** Moves the clock forward and tells whoever watches it. */
  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError('a clock only moves forward')
    this.#offset += milliseconds
    for (const listener of this.#listeners) listener()
  }

  /** Calls back after each `advance`; the returned function ends that. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** A time as Vault prints it: RFC 3339 in UTC. */
export function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
