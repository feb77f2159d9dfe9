import type { Logger } from 'pino'

/** So many lines at once are nobody's flood. */
const BURST = 1_000
/** 20 lines a second are some 400 MB a day, however many come. */
const PER_SECOND = 20
/** What got no line is told in one, so often. */
const TELL_MS = 10_000

/**
 * Bounds the lines that strangers cause. The attack: whoever may connect is refused ten thousand times a second, with a line each, until
 * the disk is full or whoever reads the log is behind, and each line is a write that the next request waits for.
 */
export class Trickle {
  readonly #log: Logger
  readonly #now: () => number
  readonly #held = new Map<string, number>()
  #left = BURST
  #at: number
  #telling: NodeJS.Timeout | null = null

  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
    this.#at = now()
  }

  /** Whether there may be a line. If not it is counted under this kind, which must be one of a few. */
  allows(kind: string): boolean {
    const now = this.#now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * PER_SECOND) / 1_000)
    this.#at = now
    if (this.#left >= 1) {
      this.#left -= 1
      return true
    }
    this.#held.set(kind, (this.#held.get(kind) ?? 0) + 1)
    this.#telling ??= setTimeout(() => this.tell(), TELL_MS).unref()
    return false
  }

  /** Says how many lines there were not, if there are any to tell of. */
  tell(): void {
    if (this.#telling) clearTimeout(this.#telling)
    this.#telling = null
    if (this.#held.size === 0) return
    this.#log.warn({ without: Object.fromEntries(this.#held) }, 'refusals without a line of their own')
    this.#held.clear()
  }
}
