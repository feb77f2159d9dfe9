import { randomInt } from 'node:crypto'
import { goDuration } from '../../../protocol/go-time.ts'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** What the gate has done since it started; seals do not reset it (gatekeeper.md §2.2, §13.2). */
export class Counters {
  readonly id = Array.from({ length: 27 }, () => BASE62.charAt(randomInt(62))).join('')
  readonly #started = new Date()
  readonly #since = performance.now()
  requests = 0
  successful = 0
  /** All that got no token, as version 1 counts. */
  denied = 0
  /** Those of them where it was not the task's fault. */
  failed = 0

  /** RFC 3339 without trailing zeros of the fraction. */
  get started(): string {
    return this.#started.toISOString().replace(/\.?0*Z$/, 'Z')
  }

  get uptime(): string {
    return goDuration(performance.now() - this.#since)
  }
}
