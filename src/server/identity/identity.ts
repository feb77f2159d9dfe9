import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { WritError } from '../../protocol/errors.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupSelf, renewSelf, revokeSelf } from '../../vault/token.ts'
import { type Credentials, type Login, login } from './credentials.ts'
import { recreate } from './recreate.ts'
import type { IdentityState, Phase } from './state.ts'
import { backoff, bounded, type Later, later } from './timer.ts'

export interface IdentityOptions {
  /** Near the end of its token's life it makes a new one of the same kind, instead of logging in again. */
  readonly recreate?: boolean
  readonly timer?: Later
}

/** A token that was found good is not doubted again for so long. */
const TRUSTED_MS = 5_000
/** No single exchange with Vault, however many calls it takes, is waited for any longer. */
const EXCHANGE_MS = 25_000
/** So long of it, who unseals waits for what is configured. */
const CONFIGURED_MS = 8_000

/**
 * The server's own Vault identity. Sealed: it has none, and whatever needs one is refused. Unsealed: it has a token, renewed in the
 * background at two thirds of its life; when renewal ends it logs in again, with growing pauses, for as long as it takes. Degraded:
 * Vault is away; the token is kept, and Vault is asked again and again. Only credentials that are good for once end in being sealed
 * for good.
 */
export class Identity {
  readonly #vault: Vault
  readonly #log: Logger
  readonly #timer: Later
  readonly #recreate: boolean
  readonly #stopped = new AbortController()
  #credentials: Credentials | null
  /** What it was started with, to go back to when what somebody unsealed it with has ended; null when it was sealed on request. */
  #configured: Credentials | null
  #loggingIn: Promise<void> | null = null
  #held: Login | null = null
  #phase: Phase = 'sealed'
  #reason = 'not logged in yet'
  #next: IdentityState['next'] = null
  #cancel = () => {}
  #failures = 0
  #doubting: Promise<void> | null = null
  #trustedUntil = 0
  /** Counts seals and unseals: whatever began before the last of them comes too late. */
  #era = 0
  readonly #listeners: (() => void)[] = []

  constructor(vault: Vault, credentials: Credentials | null, log: Logger, options: IdentityOptions = {}) {
    this.#vault = vault
    this.#credentials = credentials
    this.#configured = credentials && !GOOD_FOR_ONCE.has(credentials.kind) ? credentials : null
    this.#log = log
    this.#timer = options.timer ?? later
    this.#recreate = options.recreate ?? false
    if (!credentials) this.#reason = 'nothing to log in with is configured'
  }

  /** Logs in. Does not throw when Vault is away or refuses: the identity stays sealed, says why, and goes on trying. */
  async start(): Promise<void> {
    if (this.#credentials) await this.#login()
  }

  get state(): IdentityState {
    const { kind = null } = this.#credentials ?? {}
    return { phase: this.#phase, sealed: !this.#held, reason: this.#reason, method: kind, next: this.#next }
  }

  /** The token to act with, at this moment. Throws `server_sealed`. */
  token(): Secret {
    if (!this.#held) throw new WritError('server_sealed', this.#reason)
    return this.#held.token
  }

  /** Calls whenever there is another token: what Vault gave to the one before ends with it. */
  onToken(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Logs in with these credentials, once. `accept` sees the new token before anybody else, and refuses it by throwing. Whatever
   * fails changes nothing. Answers false when it was unsealed already, also by another one in the meantime, or by what is configured,
   * which is tried first: then these were not used. Throws `VaultError`, what `accept` throws, or `server_sealed` when it was sealed in the meantime.
   */
  async unseal(
    credentials: Credentials,
    accept: (token: Secret, signal: AbortSignal) => Promise<void> = async () => {},
  ): Promise<boolean> {
    if (this.#held) return false
    // one for all that follows: whoever waits for an answer waits for all of it
    const deadline = this.#deadline()
    // The attack: while Vault is away anybody may unseal, and so put a token of his own in the place of what the operator configured
    if (this.#loggingIn || (this.#credentials && this.#next)) {
      await Promise.race([this.#login(), sleep(CONFIGURED_MS, undefined, { ref: false })])
    }
    if (this.#held) return false
    const era = this.#era
    const found = await login(this.#vault, credentials, deadline)
    try {
      await accept(found.token, deadline)
    } catch (error) {
      await this.#revoke(found)
      throw error
    }
    // The attack: a login that was under way when an operator sealed must not unseal behind his back
    if (this.#era !== era) {
      await this.#revoke(found)
      if (this.#held) return false
      throw new WritError('server_sealed', this.#reason)
    }
    this.#hold(found, credentials)
    return true
  }

  /** Gives the token up, and stays sealed until somebody unseals it: what was configured is not tried again either. */
  async seal(reason: string): Promise<void> {
    const held = this.#held
    this.#configured = null
    this.#drop(reason, null)
    this.#log.warn({ reason }, 'sealed')
    if (held) await this.#revoke(held)
  }

  /**
   * To be called when Vault refuses the server's own token something, or does not answer: finds out at once whether it still is a
   * token, and logs in again if not. Without it, a token that was revoked would be used until its renewal is due.
   */
  async doubt(): Promise<void> {
    if (!this.#held || performance.now() < this.#trustedUntil) return
    this.#doubting ??= this.#examine(this.#held).finally(() => {
      this.#doubting = null
    })
    await this.#doubting
  }

  /** Gives the identity up: revokes its token if that came from a login of our own. */
  async close(): Promise<void> {
    this.#stopped.abort()
    const held = this.#held
    this.#drop('shut down', null)
    if (held) await this.#revoke(held)
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(EXCHANGE_MS)])
  }

  #hold(found: Login, credentials: Credentials): void {
    this.#newEra()
    this.#held = found
    this.#credentials = found.again ?? credentials
    if (credentials === this.#configured) this.#configured = this.#credentials
    this.#log.info({ method: credentials.kind, leaseSeconds: found.leaseSeconds }, 'unsealed')
    this.#well(found)
    for (const tell of this.#listeners) tell()
  }

  /** All is as it should be until the next renewal. */
  #well(held: Login): void {
    this.#failures = 0
    this.#phase = 'unsealed'
    this.#reason = `logged in by ${this.#credentials?.kind}`
    this.#next = null
    this.#cancel()
    if (held.leaseSeconds === 0) return
    const ms = held.leaseSeconds * 1000 * (0.6 + Math.random() * 0.1)
    if (held.renewable) this.#plan('renew the token', ms, () => this.#renew(held))
    else if (held.again) this.#plan('log in again', ms, () => this.#login())
    else this.#plan('look whether the token is still good', held.leaseSeconds * 1000, () => this.#examine(held, true))
  }

  #drop(reason: string, credentials: Credentials | null): void {
    this.#newEra()
    this.#held = null
    this.#credentials = credentials
    this.#phase = 'sealed'
    this.#reason = reason
    this.#next = null
    this.#failures = 0
    this.#cancel()
  }

  async #revoke(login: Login): Promise<void> {
    if (login.ours) await revokeSelf(this.#vault, login.token, AbortSignal.timeout(2_000)).catch(() => {})
  }

  async #examine(held: Login, planned = false): Promise<void> {
    try {
      const { ttl, renewable } = await lookupSelf(this.#vault, held.token, this.#deadline())
      this.#trustedUntil = performance.now() + TRUSTED_MS
      if (this.#held !== held || (this.#next && this.#phase !== 'degraded' && !planned)) return
      // also as what is held: a renewal that is planned for anything else does nothing
      this.#held = { ...held, leaseSeconds: ttl, renewable }
      this.#well(this.#held)
    } catch (error) {
      if (this.#held !== held) return
      if (isVaultError(error, 'denied', 'invalid')) await this.#ended(error)
      else this.#degrade(away(error), 'ask Vault again', () => this.#examine(held))
    }
  }

  async #login(): Promise<void> {
    if (!this.#loggingIn) {
      const login = this.#loginOnce().finally(() => {
        if (this.#loggingIn === login) this.#loggingIn = null
      })
      this.#loggingIn = login
    }
    await this.#loggingIn
  }

  /** A login that is under way comes too late now: whoever wants one from here on must not wait for it, but begin another. */
  #newEra(): void {
    this.#era += 1
    this.#loggingIn = null
  }

  async #loginOnce(): Promise<void> {
    const credentials = this.#credentials
    if (!credentials) return
    const era = this.#era
    try {
      const found = await login(this.#vault, credentials, this.#deadline())
      if (this.#era === era) this.#hold(found, credentials)
      // sealed, closed or unsealed while the answer came: nobody else knows of this token
      else await this.#revoke(found)
    } catch (error) {
      if (this.#era === era) this.#loginFailed(credentials, error)
    }
  }

  #loginFailed(credentials: Credentials, error: unknown): void {
    const { kind } = credentials
    const reason = messageOf(error)
    const refused = isVaultError(error, 'denied', 'invalid', 'not_found')
    // what somebody unsealed it with is no good any more
    const next = refused && this.#configured ? this.#configured : credentials
    const ended = kind === 'token' && isVaultError(error, 'denied', 'invalid')
    if (this.#held && !ended) {
      // what is held may live for a while yet: better that than nothing
      this.#credentials = next
      this.#degrade(`login by ${kind} failed: ${reason}`, 'log in again', () => this.#login())
      return
    }
    this.#log.error({ method: kind, reason }, 'sealed: login failed')
    const failures = this.#failures
    const spent = refused && GOOD_FOR_ONCE.has(next.kind)
    const then = spent ? '' : next === credentials ? ' and is tried again' : `, ${next.kind} is next`
    this.#drop(`login by ${kind} failed${then}: ${reason}`, next)
    if (spent || this.#stopped.signal.aborted) return
    this.#failures = failures + 1
    this.#plan('log in again', backoff(failures), () => this.#login())
  }

  async #renew(held: Login): Promise<void> {
    if (this.#held !== held) return
    try {
      const { leaseSeconds: left, renewable } = await renewSelf(this.#vault, held.token, this.#deadline())
      if (this.#held !== held) return
      // whole seconds: in its last one a token shows the same 0 as one that never expires
      const leaseSeconds = Math.max(1, left)
      const renewed = { ...held, leaseSeconds, renewable }
      this.#held = renewed
      this.#well(renewed)
      // near its maximum life Vault extends by less and less: make a new one before it comes to nothing
      if (leaseSeconds < held.leaseSeconds / 2) await this.#replace(renewed)
    } catch (error) {
      if (this.#held !== held) return
      if (isVaultError(error, 'denied', 'invalid')) await this.#ended(error)
      // Vault is away: the token may still be good, so keep it and ask again soon
      else this.#degrade(away(error), 'renew the token', () => this.#renew(held))
    }
  }

  async #replace(held: Login): Promise<void> {
    if (this.#recreate) {
      const made = await recreate(this.#vault, held, this.#deadline()).catch(error => {
        this.#log.warn({ reason: messageOf(error) }, 'the token cannot be made anew')
        return null
      })
      if (made && this.#held === held) {
        this.#held = made
        this.#credentials = made.again ?? this.#credentials
        this.#log.info({ leaseSeconds: made.leaseSeconds }, 'the token was made anew')
        this.#well(made)
        for (const tell of this.#listeners) tell()
        await this.#revoke(held)
      } else if (made) await this.#revoke(made)
      if (made) return
    }
    // a login by a token brings that token; renewing it goes on, and making another one
    if (held.again && held.again.kind !== 'token') await this.#login()
  }

  /** Vault says that the token is none any more. */
  async #ended(error: unknown): Promise<void> {
    const credentials = this.#credentials
    const again = Boolean(this.#held?.again)
    this.#drop(`the token has ended: ${messageOf(error)}`, credentials)
    if (!again && this.#configured) this.#credentials = this.#configured
    if (again || this.#configured) return await this.#login()
    const reason = `the token has ended, and ${credentials?.kind} cannot be used again: ${messageOf(error)}`
    this.#log.error({ reason }, 'sealed')
    this.#reason = reason
  }

  #degrade(reason: string, what: string, action: () => Promise<void>): void {
    this.#phase = 'degraded'
    this.#reason = reason
    this.#log.warn({ reason, next: what }, 'degraded')
    this.#plan(what, backoff(this.#failures++), action)
  }

  /** One thing at a time is planned: what comes later takes the place of what was to come. */
  #plan(what: string, ms: number, action: () => Promise<void>): void {
    this.#cancel()
    if (this.#stopped.signal.aborted) return
    this.#next = { what, at: new Date(Date.now() + bounded(ms)) }
    this.#cancel = this.#timer(bounded(ms), action)
  }
}

/** Refused once, these are refused for ever. */
const GOOD_FOR_ONCE = new Set(['wrapped-token', 'cubby'])

const away = (error: unknown) => `Vault is away: ${messageOf(error)}`

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
