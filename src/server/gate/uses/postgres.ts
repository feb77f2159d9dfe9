import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { WritError } from '../../../protocol/errors.ts'
import { pause, type Signal } from '../../../vault/signal.ts'
import { record } from '../../audit/audit.ts'
import type { Database } from '../../store/database.ts'
import { forgetUses, giveUseBack, keepUse, takeUse } from '../../store/gate-uses.ts'
import { LEASE_MS, PATIENCE_MS, REMEMBERED_MS, STORE_MS, type Use, type Uses } from './uses.ts'

const FORGET_EVERY_MS = 600_000
/** Pauses between looks at a use that somebody else is deciding. */
const LOOK_AGAIN_MS = 100

/** For several gates on one database: any of them can serve any task, and each task gets what it may have from all of them together. */
export class PostgresUses implements Uses {
  readonly recorded = true
  readonly #db: Database
  readonly #log: Logger
  readonly #leaseMs: number
  readonly #storeMs: number
  readonly #forgetting: NodeJS.Timeout

  constructor(
    db: Database,
    log: Logger,
    { leaseMs = LEASE_MS, storeMs = STORE_MS, rememberedMs = REMEMBERED_MS } = {},
  ) {
    this.#db = db
    this.#log = log
    this.#leaseMs = leaseMs
    this.#storeMs = storeMs
    const forget = () => forgetUses(db, rememberedMs).catch(error => log.warn({ err: error }, 'old uses stay'))
    this.#forgetting = setInterval(() => void forget(), FORGET_EVERY_MS).unref()
  }

  async take(task: string, limit: number, signal: Signal): Promise<Use> {
    const end = performance.now() + PATIENCE_MS
    for (let wait = LOOK_AGAIN_MS; ; wait = Math.min(1_000, wait * 1.5)) {
      const { outcome, use } = await this.#inTime(takeUse(this.#db, task, limit, this.#leaseMs))
      if (outcome === 'taken') return this.#use(use)
      if (outcome === 'served') throw new WritError('task_served')
      if (performance.now() + wait > end) throw new WritError('task_pending')
      await pause(wait * (0.5 + Math.random()), signal).catch(() => {
        throw new WritError('task_pending')
      })
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#forgetting)
  }

  /**
   * A store that neither answers nor breaks off keeps nobody waiting. What it still does then is undone: a use that was taken comes back
   * by itself, and one that was kept is given back by whoever throws its token away. Throws `store_unavailable`.
   */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController()
    const late = sleep(this.#storeMs, undefined, { signal: over.signal }).then(() => {
      throw new Error('no answer in time')
    })
    try {
      return await Promise.race([work, late])
    } catch (cause) {
      throw new WritError('store_unavailable', undefined, { cause })
    } finally {
      over.abort()
    }
  }

  #use(use: number): Use {
    return {
      keep: async ({ actor, detail }) =>
        await this.#inTime(
          this.#db.transaction().execute(async tx => {
            const kept = await keepUse(tx, use)
            if (kept) await record(tx, { action: 'gate.issued', actor, detail })
            return kept
          }),
        ),
      giveBack: async () => {
        for (let failures = 0; ; failures++) {
          try {
            return await giveUseBack(this.#db, use)
          } catch (error) {
            // one that was kept would be lost for good; any other comes back by itself
            this.#log.error({ err: error, use }, 'a use is not given back yet')
            if (failures === 20) return
            await sleep(Math.min(15_000, 500 * 2 ** failures), undefined, { ref: false })
          }
        }
      },
    }
  }
}
