import { EventEmitter, on } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import type { Database, Tx } from './database.ts'

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

/** What tells of several of one kind in as few notifications as can be. For names without spaces: ids of jobs. */
export function payloads(kind: WakeupKind, names: readonly string[]): string[] {
  const parts: string[] = []
  for (let at = 0; at < names.length; at += NAMES) parts.push(`${kind} ${names.slice(at, at + NAMES).join(' ')}`)
  return parts
}

/**
 * One LISTEN connection for the whole process, re-made when it breaks. What was missed meanwhile is made up for by a wake-up of
 * everyone after each reconnect, and by the sleepers' own time limit.
 */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0)
  readonly #stopped = new AbortController()
  readonly #done: Promise<void>
  #client: pg.Client | null = null
  #listening = false

  constructor(url: string, onError: (error: Error) => void) {
    this.#done = this.#listen(url, onError)
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
    await this.#client?.end().catch(() => {})
    await this.#done
  }

  async #listen(url: string, onError: (error: Error) => void): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const client = new pg.Client({ connectionString: url, application_name: 'writ-listen', keepAlive: true })
      this.#client = client
      client.on('error', onError)
      client.on('notification', ({ payload = '' }) => {
        const [kind = '', ...names] = payload.split(' ')
        if (kind === 'job') for (const id of names) this.#emitter.emit('job', id)
        else this.#emitter.emit(kind)
      })
      try {
        const ended = on(client, 'end', { signal: this.#stopped.signal })
        await client.connect()
        await client.query('listen writ')
        this.#listening = true
        this.#emitter.emit('queue')
        this.#emitter.emit('job', '')
        this.#emitter.emit('watch')
        await ended.next()
      } catch (error) {
        if (!this.#stopped.signal.aborted) onError(error as Error)
      }
      this.#listening = false
      await client.end().catch(() => {})
      await sleep(500, undefined, { signal: this.#stopped.signal }).catch(() => {})
    }
  }
}
