import type { Logger } from 'pino'
import { WritError } from '../../protocol/errors.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf, renewSelf, revokeSelf } from '../../vault/token.ts'
import type { Credentials } from './credentials.ts'
import { login } from './credentials.ts'

export interface IdentityState {
  readonly sealed: boolean
  /** Why it is sealed, or what it will do next; never holds a credential. */
  readonly reason: string
}

/** First and longest pause between attempts to log in again. */
const BACKOFF = { firstMs: 500, longestMs: 30_000 }
/** No two renewals are closer than this, whatever life Vault gives a token. */
const SHORTEST_MS = 250
/** A token that was found good is not doubted again for so long. */
const TRUSTED_MS = 5_000
/** setTimeout takes no more; a longer wait would fire at once and spin. */
const LONGEST_MS = 2 ** 31 - 1

/** Does something once, after a while; what it returns prevents it. */
export type Later = (ms: number, action: () => Promise<void>) => () => void

const later: Later = (ms, action) => {
  const timer = setTimeout(() => void action(), ms).unref()
  return () => clearTimeout(timer)
}

/**
 * The server's own Vault identity. Sealed: it has none, and whatever needs one is refused. Unsealed: it has a token, renewed in the
 * background at two thirds of its life; when renewal ends it logs in again, with growing pauses, for as long as it takes.
 */
export class Identity {
  readonly #vault: Vault
  readonly #credentials: Credentials
  readonly #log: Logger
  readonly #timer: Later
  readonly #stopped = new AbortController()
  #token: Secret | null = null
  #reason = 'not logged in yet'
  #cancel = () => {}
  #failures = 0
  #doubting: Promise<void> | null = null
  #trustedUntil = 0

  constructor(vault: Vault, credentials: Credentials, log: Logger, timer: Later = later) {
    this.#vault = vault
    this.#credentials = credentials
    this.#log = log
    this.#timer = timer
  }

  /** Logs in. Does not throw when Vault is away or refuses: the identity stays sealed, says why, and goes on trying. */
  async start(): Promise<void> {
    await this.#login()
  }

  get state(): IdentityState {
    return { sealed: this.#token === null, reason: this.#reason }
  }

  /** The token to act with, at this moment. Throws `server_sealed`. */
  token(): Secret {
    if (!this.#token) throw new WritError('server_sealed', this.#reason)
    return this.#token
  }

  /**
   * To be called when Vault refuses the server's own token something: finds out at once whether it still is a token, and logs in
   * again if not. Without it, a token that was revoked would be used until its renewal is due.
   */
  async doubt(): Promise<void> {
    if (!this.#token || performance.now() < this.#trustedUntil) return
    this.#doubting ??= this.#examine(this.#token).finally(() => {
      this.#doubting = null
    })
    await this.#doubting
  }

  /** Gives the identity up: revokes its token if that came from a login of our own. */
  async close(): Promise<void> {
    this.#stopped.abort()
    this.#cancel()
    const token = this.#token
    this.#token = null
    this.#reason = 'shut down'
    if (token) await this.#revoke(token)
  }

  async #revoke(token: Secret): Promise<void> {
    if (this.#credentials.kind === 'token') return
    await revokeSelf(this.#vault, token, AbortSignal.timeout(2_000)).catch(() => {})
  }

  async #examine(token: Secret): Promise<void> {
    try {
      await lookupSelf(this.#vault, token, this.#stopped.signal)
      this.#trustedUntil = performance.now() + TRUSTED_MS
    } catch (error) {
      if (isVaultError(error, 'denied', 'invalid') && this.#token === token) await this.#login()
    }
  }

  async #login(): Promise<void> {
    try {
      const { token, leaseSeconds, renewable } = await login(this.#vault, this.#credentials, this.#stopped.signal)
      if (this.#stopped.signal.aborted) {
        // closed while the answer came: nobody else knows of this token
        await this.#revoke(token)
        return
      }
      this.#token = token
      this.#failures = 0
      this.#reason = `logged in by ${this.#credentials.kind}`
      this.#log.info({ method: this.#credentials.kind, leaseSeconds }, 'unsealed')
      this.#schedule(leaseSeconds, renewable)
    } catch (error) {
      this.#retryLogin(error)
    }
  }

  #schedule(leaseSeconds: number, renewable: boolean): void {
    if (leaseSeconds === 0) return
    const next = renewable ? () => this.#renew(leaseSeconds) : () => this.#login()
    this.#later(leaseSeconds * 1000 * (0.6 + Math.random() * 0.1), next)
  }

  async #renew(previousSeconds: number): Promise<void> {
    const token = this.#token
    if (!token) return
    try {
      const { leaseSeconds, renewable } = await renewSelf(this.#vault, token, this.#stopped.signal)
      this.#failures = 0
      this.#reason = `logged in by ${this.#credentials.kind}`
      // near its maximum life Vault extends by less and less: log in anew before it comes to nothing
      if (leaseSeconds < previousSeconds / 2) await this.#login()
      else this.#schedule(leaseSeconds, renewable)
    } catch (error) {
      if (isVaultError(error, 'denied', 'invalid')) {
        await this.#login()
        return
      }
      // Vault is away: the token may still be good, so keep it and ask again soon
      this.#reason = `Vault is away; renewal is tried again (${messageOf(error)})`
      this.#log.warn({ reason: messageOf(error) }, 'renewal failed')
      this.#later(this.#backoff(), () => this.#renew(previousSeconds))
    }
  }

  #retryLogin(error: unknown): void {
    if (this.#stopped.signal.aborted) return
    this.#token = null
    this.#reason = `login by ${this.#credentials.kind} failed and is tried again: ${messageOf(error)}`
    this.#log.error({ method: this.#credentials.kind, reason: messageOf(error) }, 'sealed: login failed')
    this.#later(this.#backoff(), () => this.#login())
  }

  #backoff(): number {
    const ms = Math.min(BACKOFF.longestMs, BACKOFF.firstMs * 2 ** this.#failures)
    this.#failures += 1
    return ms * (0.5 + Math.random() / 2)
  }

  /** One thing at a time is planned: what comes later takes the place of what was to come. */
  #later(ms: number, action: () => Promise<void>): void {
    this.#cancel()
    if (this.#stopped.signal.aborted) return
    this.#cancel = this.#timer(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, ms)), action)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
