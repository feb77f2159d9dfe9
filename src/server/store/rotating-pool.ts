import type pg from 'pg'
import { WritError } from '../../protocol/errors.ts'
import { isRefusedLogin, type Login, type Logins } from './logins.ts'

/** Connections of one login. */
interface Era {
  readonly login: Login
  readonly pool: pg.Pool
  /** Who waits for a connection of it. */
  readonly waiting: Set<Promise<pg.PoolClient>>
}

/**
 * A pool for each login of the database, one after another: the old one serves whom it has, and ends. Nobody notices, because a query
 * begins when there is a connection for it. For Kysely, which asks no more of a pool.
 */
export class RotatingPool {
  /** Kysely would make connections of its own from them. */
  readonly options = {}
  readonly #logins: Logins
  readonly #open: (login: Login) => pg.Pool
  readonly #ending = new Set<Promise<void>>()
  #era: Era
  #ended = false

  constructor(logins: Logins, open: (login: Login) => pg.Pool) {
    this.#logins = logins
    this.#open = open
    this.#era = this.#begin()
    logins.onChange(() => this.#rotate())
  }

  /** Throws what PostgreSQL says; `store_unavailable` when it refuses every login that there is. */
  async connect(): Promise<pg.PoolClient> {
    const { login } = this.#era
    try {
      return await this.#connect()
    } catch (error) {
      if (!isRefusedLogin(error)) throw error
      // nothing was asked of the database yet, so it can be asked again
      if (await this.#logins.refused(login)) return await this.#connect().catch(refusal)
      return refusal(error)
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await Promise.all([...this.#ending, this.#finish(this.#era)])
  }

  #begin(): Era {
    const login = this.#logins.current()
    return { login, pool: this.#open(login), waiting: new Set() }
  }

  async #connect(): Promise<pg.PoolClient> {
    const { pool, waiting } = this.#era
    const connecting = pool.connect()
    waiting.add(connecting)
    try {
      return await connecting
    } finally {
      waiting.delete(connecting)
    }
  }

  async #rotate(): Promise<void> {
    if (this.#ended) return
    const old = this.#era
    this.#era = this.#begin()
    const ending = this.#finish(old).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    await ending
  }

  async #finish({ pool, waiting }: Era): Promise<void> {
    // a pool that ends forgets who waits, and lets him wait until his time is up
    while (waiting.size > 0) await Promise.allSettled(waiting)
    await pool.end()
  }
}

function refusal(cause: unknown): never {
  if (!isRefusedLogin(cause)) throw cause
  throw new WritError('store_unavailable', 'it refuses the login that this server has', { cause })
}
