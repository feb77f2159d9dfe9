import type { Clock } from '../clock.ts'

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

/**
 * Time for several scenarios on one server: it moves only when all of them sleep, and then to the first that wakes. Real
 * waiting takes 20 s and depends on the machine; moving the clock at each sleep would let one scenario expire the tokens of
 * the others.
 */
export class VirtualTime {
  readonly #clock: Clock
  #awake = 0
  #elapsed = 0
  readonly #sleepers = new Set<Sleeper>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Does something that may sleep. Begin all that belong together at once. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#awake++
    // Those that are begun together are all awake before the first can sleep.
    await undefined
    try {
      return await work()
    } finally {
      this.#awake--
      this.#move()
    }
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise(wake => {
      this.#sleepers.add({ until: this.#elapsed + milliseconds, wake })
      this.#awake--
      this.#move()
    })
  }

  #move(): void {
    if (this.#awake > 0 || this.#sleepers.size === 0) return
    const next = Math.min(...[...this.#sleepers].map(sleeper => sleeper.until))
    this.#clock.advance(next - this.#elapsed)
    this.#elapsed = next
    for (const sleeper of this.#sleepers) {
      if (sleeper.until > next) continue
      this.#sleepers.delete(sleeper)
      this.#awake++
      sleeper.wake()
    }
  }
}
