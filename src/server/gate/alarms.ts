import type { Logger } from 'pino'
import type { Pool as UndiciPool } from 'undici'
import Pool from 'undici/lib/dispatcher/pool.js'
import { exchange } from '../../vault/exchange.ts'
import { Trickle } from './trickle.ts'

/** Something that should not happen by itself, for whoever watches. */
export interface Alarm {
  readonly alarm: 'second_request' | 'foreign_task'
  readonly scheduler: string
  readonly task: string
  readonly name: string
  /** Who asked. */
  readonly address: string
}

/** More alarms than this at once are counted and logged, but not sent: the receiver has been told. */
const MOST_WAITING = 100
/** The same alarm about the same task is sent once in so long. */
const SAME_MS = 60_000
const WAIT = { headersTimeout: 5_000, bodyTimeout: 5_000, connectTimeout: 5_000, connections: 8 }
/** Of the receiver's answer, which says nothing. */
const LONGEST = 65_536

interface Receiver {
  readonly pool: UndiciPool
  readonly path: string
}

/** Raises alarms: a line of the log, a count for metrics, an entry of the audit trail, and a POST to an address if there is one. */
export class Alarms {
  readonly #log: Logger
  /** Of alarms that are new, and of those that are raised again. The attack: one task asks on and on, and the alarm of another gets no line. */
  readonly #lines: { readonly fresh: Trickle; readonly again: Trickle }
  readonly #receiver: Receiver | null
  readonly #audit: (alarm: Alarm) => Promise<void>
  readonly #recent = new Map<string, number>()
  readonly #sending = new Set<Promise<void>>()
  #count = 0

  constructor(log: Logger, url: string | null, audit: (alarm: Alarm) => Promise<void> = async () => {}) {
    this.#log = log
    this.#lines = { fresh: new Trickle(log), again: new Trickle(log) }
    this.#receiver = url ? receiverAt(new URL(url)) : null
    this.#audit = audit
  }

  get count(): number {
    return this.#count
  }

  /** Never throws, and keeps nobody waiting. */
  raise(alarm: Alarm): void {
    this.#count += 1
    const now = performance.now()
    const key = JSON.stringify([alarm.alarm, alarm.scheduler, alarm.task])
    this.#forget(now)
    const again = this.#recent.has(key)
    if (this.#lines[again ? 'again' : 'fresh'].allows(alarm.alarm)) this.#log.error(alarm, 'alarm')
    if (again || this.#sending.size >= MOST_WAITING) return
    this.#recent.set(key, now)
    this.#later(
      this.#audit(alarm).catch(error => this.#log.error({ err: error }, 'an alarm is not on the audit trail')),
    )
    if (this.#receiver) this.#later(this.#send(this.#receiver, alarm))
  }

  /** When all that is under way has been sent, or could not be. */
  async close(): Promise<void> {
    await Promise.all(this.#sending)
    await this.#receiver?.pool.destroy()
    for (const lines of Object.values(this.#lines)) lines.tell()
  }

  #later(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.#sending.delete(tracked))
    this.#sending.add(tracked)
  }

  /** What is no longer recent, or too much to remember. */
  #forget(now: number): void {
    for (const [key, at] of this.#recent) {
      if (now - at < SAME_MS && this.#recent.size < 10_000) break
      this.#recent.delete(key)
    }
  }

  async #send({ pool, path }: Receiver, alarm: Alarm): Promise<void> {
    const body = JSON.stringify({ ...alarm, at: new Date().toISOString() })
    const headers = { 'content-type': 'application/json' }
    for (let tried = 0; tried < 3; tried++) {
      try {
        const { status } = await exchange(pool, { method: 'POST', path, headers, body, maxBytes: LONGEST })
        if (status < 300) return
      } catch {
        // tried again
      }
    }
    this.#log.warn({ alarm: alarm.alarm }, 'an alarm could not be sent')
  }
}

function receiverAt({ origin, pathname, search }: URL): Receiver {
  return { pool: new Pool(origin, WAIT), path: pathname + search }
}
