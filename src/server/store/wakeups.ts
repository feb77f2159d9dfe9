import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import type { Database, Tx } from './database.ts'
import { type DatabaseAddress, isRefusedLogin, type Login, type Logins, withLogin } from './logins.ts'
import { PgClient } from './pg-client.ts'

/** The connection that listens is asked three times as often whether it is still there. */
const SILENCE_MS = 12_000

/** `queue`: there may be something to claim. `job`: this job has new output or another state. `watch`: this one is to be looked at. */
export type WakeupKind = 'queue' | 'job' | 'watch'

/** Tells all nodes, when the surrounding transaction commits. A hint and never the truth: whoever is woken looks for himself. */
export async function notify(db: Database | Tx, kind: WakeupKind, name: string): Promise<void> {
  await sql`select pg_notify('writ', ${wakeup(kind, name)})`.execute(db)
}

/** The text of a notification, for statements that notify by themselves. */
export function wakeup(kind: WakeupKind, name: string): string {
  return `${kind} ${name}`
}

/** So many names of 25 characters fit into the 8,000 bytes of a notification. */
const NAMES = 300

/**
 * What tells of several of one kind in as few notifications as can be. For names without spaces: ids of jobs. `by`: the node that tells those who are
 * on it by itself; to it the database says it in vain, and at the very moment at which it has to answer them.
 */
export function payloads(kind: WakeupKind, names: readonly string[], by = ''): string[] {
  const parts: string[] = []
  const head = by ? `${kind} ${by}` : kind
  for (let at = 0; at < names.length; at += NAMES) parts.push(`${head} ${names.slice(at, at + NAMES).join(' ')}`)
  return parts
}

/** A connection that listens. */
interface Ear {
  readonly client: PgClient
  readonly login: Login | undefined
  readonly ended: Promise<void>
  /** To be resolved when there is another login. */
  readonly outdated: PromiseWithResolvers<'outdated'>
  readonly gone: PromiseWithResolvers<void>
}

/**
 * One LISTEN connection for the whole process, re-made when it breaks and when the database has another login for us. What was missed
 * meanwhile is made up for by a wake-up of everyone after each reconnect, and by the sleepers' own time limit.
 */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0)
  readonly #stopped = new AbortController()
  readonly #done: Promise<void>
  readonly #address: DatabaseAddress
  readonly #onError: (error: Error) => void
  readonly #self: string
  readonly #silenceMs: number
  #ear: Ear | null = null
  #listening = false

  /** `self`: the name of the node that this is, for what it says itself to those who are on it (`payloads`). */
  constructor(address: DatabaseAddress, onError: (error: Error) => void, self = '', { silenceMs = SILENCE_MS } = {}) {
    this.#address = address
    this.#onError = onError
    this.#self = self
    this.#silenceMs = silenceMs
    this.#logins?.onChange(async () => {
      this.#ear?.outdated.resolve('outdated')
      await this.#ear?.gone.promise
    })
    this.#done = this.#listen()
  }

  /** Does it hear at this moment? */
  get listening(): boolean {
    return this.#listening
  }

  onQueue(listener: () => void): void {
    this.#emitter.on('queue', listener)
  }

  onWatch(listener: () => void): void {
    this.#emitter.on('watch', listener)
  }

  onJob(listener: (jobId: string) => void): void {
    this.#emitter.on('job', listener)
  }

  /** Wakes those on this node, who then need not wait for what the database says to all. */
  tellHere(jobId: string): void {
    this.#emitter.emit('job', jobId)
  }

  /**
   * Subscribes to one job, from this moment on. `next` resolves at once if something happened since the last call, otherwise
   * when it does, or after `limitMs`, or on abort.
   */
  watchJob(jobId: string, signal: AbortSignal): { next(limitMs: number): Promise<void>; close(): void } {
    let pending = true
    let wake: (() => void) | null = null
    const hear = (id: string) => {
      if (id !== jobId && id !== '') return
      pending = true
      wake?.()
    }
    const stop = () => wake?.()
    this.#emitter.on('job', hear)
    signal.addEventListener('abort', stop)
    return {
      next: async limitMs => {
        if (!pending && !signal.aborted) {
          await new Promise<void>(resolve => {
            const timer = setTimeout(resolve, limitMs)
            wake = () => {
              clearTimeout(timer)
              resolve()
            }
          })
          wake = null
        }
        pending = false
      },
      close: () => {
        this.#emitter.off('job', hear)
        signal.removeEventListener('abort', stop)
      },
    }
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#ear?.client.end().catch(() => {})
    await this.#done
  }

  get #logins(): Logins | undefined {
    return typeof this.#address === 'string' ? undefined : this.#address.logins
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stopped
    let old: Ear | undefined
    while (!signal.aborted) {
      let ear: Ear | undefined
      try {
        ear = this.#ear = this.#grow()
        // closed in the middle of it, pg says nothing
        await Promise.race([ear.client.connect(), ear.ended])
        await ear.client.query('listen writ')
        this.#listening = true
        this.#emitter.emit('queue')
        this.#emitter.emit('job', '')
        this.#emitter.emit('watch')
        // not before the new one listens: nobody is deaf for a moment because of a login that changes
        await end(old)
        old = undefined
        if ((await Promise.race([ear.ended, ear.outdated.promise])) === 'outdated') {
          old = ear
          continue
        }
      } catch (error) {
        if (!signal.aborted) this.#onError(error as Error)
        if (ear?.login && isRefusedLogin(error)) await this.#logins?.refused(ear.login)
      }
      this.#listening = false
      await end(ear)
      await end(old)
      old = undefined
      await sleep(500, undefined, { signal }).catch(() => {})
    }
  }

  #grow(): Ear {
    const login = this.#logins?.current()
    const url = typeof this.#address === 'string' ? this.#address : this.#address.url
    const connectionString = login ? withLogin(url, login) : url
    const client = new PgClient({
      connectionString,
      application_name: 'writ-listen',
      connectionTimeoutMillis: 5_000,
      silenceMs: this.#silenceMs,
    })
    const asking = keepAsking(client, this.#silenceMs / 3)
    client.on('error', this.#onError)
    client.on('notification', ({ payload = '' }) => {
      const [kind = '', ...names] = payload.split(' ')
      if (this.#self && names[0] === this.#self) return
      if (kind === 'job') for (const id of names) this.#emitter.emit('job', id)
      // any user of the database may notify, and an event named `error` that nobody hears of ends the process
      else if (kind === 'queue' || kind === 'watch') this.#emitter.emit(kind)
    })
    const ended = new Promise<void>(resolve => client.once('end', resolve))
    client.once('end', () => clearInterval(asking))
    return { client, login, ended, outdated: Promise.withResolvers(), gone: Promise.withResolvers() }
  }
}

/** Whoever only listens does not hear that nobody speaks any more. One question at a time. */
function keepAsking(client: pg.Client, everyMs: number): NodeJS.Timeout {
  let asked = true
  client.once('connect', () => {
    asked = false
  })
  return setInterval(async () => {
    if (asked) return
    asked = true
    await client.query('select').catch(() => {})
    asked = false
  }, everyMs).unref()
}

async function end(ear: Ear | undefined): Promise<void> {
  await ear?.client.end().catch(() => {})
  ear?.gone.resolve()
}
