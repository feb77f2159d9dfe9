import { claimWatches, extendLook, type Watch } from '../store/watches.ts'
import { maintainAccess } from './access-change.ts'
import { look, shortestPeriodMs } from './look.ts'
import { tidyCopies } from './open.ts'
import { reconcile } from './reconcile.ts'
import { maintainTokens } from './request-run.ts'
import type { Watching } from './watching.ts'

/** It looks for due watches this often even if nobody wakes it. */
const LONGEST_SLEEP_MS = 5_000
const MAINTENANCE_MS = 5_000
const TIDY_MS = 10 * 60_000
/** Watches that are due within it of each other are claimed together: with a thousand of them, claims cost as much as looks. */
const TOGETHER_MS = 400

/** Looks at the watches that are due: each on one node at a time, a few at once on each node. */
export class Watcher {
  readonly #watching: Watching
  readonly #looks = new Map<string, Promise<void>>()
  readonly #stopped = new AbortController()
  #timers: NodeJS.Timeout[] = []
  #next: NodeJS.Timeout | undefined
  /** When that is, by `performance.now()`. */
  #nextAt = Number.POSITIVE_INFINITY
  /** There may be more that is due than could be taken. */
  #full = false
  /** Somebody asked for a look while one was going on, of what may be the same watch. */
  readonly #asked = new Set<string>()
  #claiming: Promise<void> | null = null
  #again = false
  #maintaining = false

  constructor(watching: Watching) {
    this.#watching = watching
  }

  start(): void {
    this.#watching.engine.wakeups.onWatch(() => this.#hear())
    this.#timers = [
      setInterval(() => void this.#maintain(), MAINTENANCE_MS),
      setInterval(() => void this.#tidy(), TIDY_MS),
      setInterval(() => void this.#extend(), this.#watching.engine.settings.leaseMs / 3),
    ]
    void this.#tidy()
    this.#wake()
  }

  /** Ends the looks that are going on; what they have not decided is decided by the next one. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#next)
    await this.#claiming
    await Promise.allSettled(this.#looks.values())
  }

  #hear(): void {
    for (const name of this.#looks.keys()) this.#asked.add(name)
    this.#wake()
  }

  #wake(): void {
    if (this.#stopped.signal.aborted) return
    this.#again = true
    this.#claiming ??= this.#claimAll().finally(() => {
      this.#claiming = null
      if (this.#again) this.#wake()
    })
  }

  async #claimAll(): Promise<void> {
    const { engine, settings } = this.#watching
    while (this.#again && !this.#stopped.signal.aborted) {
      this.#again = false
      clearTimeout(this.#next)
      this.#nextAt = Number.POSITIVE_INFINITY
      try {
        const free = settings.watchLooks - this.#looks.size
        // credentials are opened with it, and jobs are sealed with it
        const limit = engine.identity.state.sealed ? 0 : free
        const { watches, untilDue } = await claimWatches(engine.db, engine.node, limit, engine.settings.leaseMs)
        this.#full = watches.length === free
        for (const watch of watches) this.#look(watch)
        this.#sleep(untilDue)
      } catch (error) {
        engine.log.warn({ err: error }, 'no look for due watches')
        this.#sleep(null)
      }
    }
  }

  /** Until then at the latest: what was planned since the last wake-up stays, if it is earlier. */
  #sleep(ms: number | null): void {
    const pause = Math.min(LONGEST_SLEEP_MS, Math.max(TOGETHER_MS, ms ?? LONGEST_SLEEP_MS))
    const at = performance.now() + pause
    if (this.#stopped.signal.aborted || at >= this.#nextAt) return
    clearTimeout(this.#next)
    this.#nextAt = at
    this.#next = setTimeout(() => this.#wake(), pause)
  }

  /** Not every look that ends is a reason to ask the database what is due. */
  #ended(watch: Watch, began: number): void {
    this.#looks.delete(watch.name)
    if (this.#asked.delete(watch.name) || this.#full) this.#wake()
    else this.#sleep(began + shortestPeriodMs(watch) - performance.now())
  }

  #look(watch: Watch): void {
    const { engine } = this.#watching
    const began = performance.now()
    const done = look(this.#watching, watch, this.#stopped.signal)
      .catch(error => {
        if (!this.#stopped.signal.aborted) engine.log.error({ watch: watch.name, err: error }, 'a look was given up')
      })
      .finally(() => this.#ended(watch, began))
    this.#looks.set(watch.name, done)
  }

  async #extend(): Promise<void> {
    const { engine } = this.#watching
    for (const name of this.#looks.keys()) {
      await extendLook(engine.db, name, engine.node, engine.settings.leaseMs).catch(error => {
        engine.log.warn({ watch: name, err: error }, 'the lease of a look was not extended')
      })
    }
  }

  async #tidy(): Promise<void> {
    try {
      const removed = await tidyCopies(this.#watching)
      if (removed > 0)
        this.#watching.engine.log.info({ removed }, 'copies of repositories that nobody watches were removed')
    } catch (error) {
      this.#watching.engine.log.warn({ err: error }, 'copies of repositories were not tidied')
    }
  }

  async #maintain(): Promise<void> {
    const { engine } = this.#watching
    if (this.#maintaining || engine.identity.state.sealed) return
    this.#maintaining = true
    try {
      await maintainAccess(engine)
      await maintainTokens(engine)
      await reconcile(engine)
    } catch (error) {
      engine.log.warn({ err: error }, 'no maintenance of watches')
    } finally {
      this.#maintaining = false
    }
  }
}
