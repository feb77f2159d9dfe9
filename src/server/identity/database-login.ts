import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { WritError } from '../../protocol/errors.ts'
import type { Vault } from '../../vault/client.ts'
import { type DatabaseCredentials, readDatabaseCredentials } from '../../vault/database.ts'
import { isVaultError } from '../../vault/error.ts'
import { renewLease, revokeLease } from '../../vault/leases.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Login, Logins } from '../store/logins.ts'
import type { Identity } from './identity.ts'
import { backoff, bounded, type Later, later } from './timer.ts'

export interface DatabaseLoginParts {
  readonly vault: Vault
  readonly identity: Pick<Identity, 'token' | 'doubt' | 'onToken'>
  /** `database/creds/writ` */
  readonly path: string
  readonly log: Logger
  readonly timer?: Later
}

interface Held extends DatabaseCredentials {
  /** It ends with the token that it was read with. */
  readonly token: Secret
}

/** No single exchange with Vault is waited for any longer. */
const EXCHANGE_MS = 15_000
/** PostgreSQL may refuse for a reason that another user does not change: each reading makes one. */
const REFUSED_AGAIN_MS = 3_000
/** A renewal that gives less of the full life than this is near the maximum. */
const FULL = 0.9
/** At the end, so long for connections of old logins. */
const CLOSE_MS = 2_000

/**
 * The server's user at the database, from Vault's database engine: renewed at two thirds of its life, and replaced when renewal does
 * not extend it in full any more, when the identity gets another token, and when PostgreSQL refuses it. The old one is given back when
 * none of its connections is left. While Vault is away it goes on with what it has.
 */
export class DatabaseLogin implements Logins {
  readonly #parts: DatabaseLoginParts
  readonly #timer: Later
  readonly #stopped = new AbortController()
  readonly #listeners: (() => Promise<void>)[] = []
  readonly #retiring = new Set<Promise<void>>()
  #held: Held | null = null
  #replacing: Promise<void> | null = null
  #failures = 0
  #refusedAt = Number.NEGATIVE_INFINITY
  #cancel = () => {}
  #wake = () => {}

  constructor(parts: DatabaseLoginParts) {
    this.#parts = parts
    this.#timer = parts.timer ?? later
    parts.identity.onToken(() => {
      this.#wake()
      if (this.#held) void this.#tend()
    })
  }

  /**
   * Reads the first one. Waits for as long as Vault is away or the server is sealed, and says so; throws
   * `store_credentials_unavailable` when Vault refuses.
   */
  async start(): Promise<void> {
    for (let failures = 0; !this.#held; failures += 1) {
      try {
        await this.#replace()
      } catch (error) {
        const sealed = error instanceof WritError && error.code === 'server_sealed'
        if (!sealed && !isVaultError(error, 'unavailable')) throw asUnavailable(error)
        if (this.#stopped.signal.aborted) throw error
        this.#warn(error, 'there is no login for the database yet; waiting for Vault')
        await this.#pause(backoff(failures))
      }
    }
  }

  current(): Login {
    if (!this.#held) throw new WritError('store_credentials_unavailable', 'none was read yet')
    return this.#held
  }

  onChange(listener: () => Promise<void>): void {
    this.#listeners.push(listener)
  }

  async refused(login: Login): Promise<boolean> {
    if (this.#held !== login) return true
    if (!this.#replacing) {
      const now = performance.now()
      if (now - this.#refusedAt < REFUSED_AGAIN_MS) return false
      this.#refusedAt = now
      this.#parts.log.warn({ user: login.user }, 'the database refuses the login; reading another one')
    }
    try {
      await this.#replace()
      return true
    } catch (error) {
      this.#failed(error)
      return false
    }
  }

  /**
   * Reads one with a token that is to become the server's own: what records that it does so needs the database. Throws
   * `store_credentials_unavailable`, or `VaultError` when Vault is away.
   */
  async admit(token: Secret): Promise<void> {
    await this.#take(token).catch(error => {
      throw isVaultError(error, 'unavailable') ? error : asUnavailable(error)
    })
  }

  /** Gives back what it has. To be called when the connections are closed, and while the identity still has its token. */
  async close(): Promise<void> {
    this.#cancel()
    const settled = Promise.allSettled([...this.#retiring, this.#replacing])
    await Promise.race([settled, sleep(CLOSE_MS, undefined, { ref: false })])
    this.#stopped.abort()
    this.#wake()
    this.#cancel()
    if (this.#held) await this.#giveBack(this.#held)
  }

  async #replace(): Promise<void> {
    this.#replacing ??= this.#follow().finally(() => {
      this.#replacing = null
    })
    await this.#replacing
  }

  /** Until it is one of the token that the server has by then. */
  async #follow(): Promise<void> {
    const { identity } = this.#parts
    let token: Secret
    do {
      token = identity.token()
      await this.#take(token).catch(async error => {
        // a token that was revoked, or a policy that is missing: the identity finds out, and logs in again
        if (isVaultError(error, 'denied')) await identity.doubt()
        if (identity.token() === token) throw error
      })
    } while (identity.token() !== token)
  }

  async #take(token: Secret): Promise<void> {
    const { vault, path, log } = this.#parts
    const found = await readDatabaseCredentials(vault, token, path, this.#deadline())
    if (!found) throw new WritError('store_credentials_unavailable', `${path} answers no username and password`)
    const made = { ...found, token }
    if (this.#stopped.signal.aborted) return await this.#giveBack(made)
    const old = this.#held
    this.#held = made
    log.info({ user: made.user, leaseSeconds: made.lease.seconds }, 'logging in to the database as another user')
    this.#well(made.lease.seconds)
    if (old) this.#retire(old)
  }

  /** All is as it should be until the next renewal. What has no lease is read again when it is refused. */
  #well(seconds: number): void {
    this.#failures = 0
    this.#cancel()
    if (this.#held?.lease.id) this.#plan(seconds * 1000 * (0.6 + Math.random() * 0.07))
  }

  #plan(ms: number): void {
    this.#cancel()
    if (!this.#stopped.signal.aborted) this.#cancel = this.#timer(bounded(ms), () => this.#tend())
  }

  /** Renews, or replaces what cannot be renewed. */
  async #tend(): Promise<void> {
    const held = this.#held
    if (!held) return
    try {
      if (held.token === this.#parts.identity.token()) {
        const seconds = await this.#renew(held)
        if (this.#held !== held) return
        if (seconds >= held.lease.seconds * FULL) return this.#well(seconds)
      }
      await this.#replace()
    } catch (error) {
      if (this.#held === held) this.#failed(error)
    }
  }

  /** Seconds from now; 0 when Vault says that it is none any more. */
  async #renew({ lease }: Held): Promise<number> {
    if (!lease.id) return lease.seconds
    if (!lease.renewable) return 0
    const { vault, identity } = this.#parts
    return await renewLease(vault, identity.token(), lease.id, this.#deadline()).catch(error => {
      if (isVaultError(error, 'unavailable') || !isVaultError(error)) throw error
      return 0
    })
  }

  #failed(error: unknown): void {
    void this.#parts.identity.doubt()
    this.#warn(error, 'the login for the database was neither renewed nor replaced; trying again')
    this.#plan(backoff(this.#failures++))
  }

  #retire(old: Held): void {
    const retired = Promise.allSettled(this.#listeners.map(tell => tell()))
      .then(() => this.#giveBack(old))
      .finally(() => this.#retiring.delete(retired))
    this.#retiring.add(retired)
  }

  /** What cannot be given back ends by itself: it is not renewed any more. */
  async #giveBack({ user, lease }: Held): Promise<void> {
    if (!lease.id) return
    const { vault, identity, log } = this.#parts
    try {
      await revokeLease(vault, identity.token(), lease.id, AbortSignal.timeout(EXCHANGE_MS))
    } catch (error) {
      log.warn({ user, reason: messageOf(error) }, 'a login for the database was not given back')
    }
  }

  async #pause(ms: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    // holds the process: at a start there is nothing else that does
    await sleep(ms, undefined, { signal: woken.signal }).catch(() => {})
  }

  #warn(error: unknown, message: string): void {
    const { path, log } = this.#parts
    log.warn({ code: 'store_credentials_unavailable', path, reason: messageOf(error) }, message)
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(EXCHANGE_MS)])
  }
}

function asUnavailable(cause: unknown): WritError {
  if (cause instanceof WritError) return cause
  return new WritError('store_credentials_unavailable', messageOf(cause), { cause })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
