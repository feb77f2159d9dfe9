import type { Clock } from '../clock.ts'
import type { Leases } from '../leases/leases.ts'
import { accessorId, batchTokenId, randomText, serviceTokenId } from '../text/ids.ts'
import type { JsonObject } from '../text/json.ts'
import { FOREVER, leaseIdOf, type TokenEntry, type TokenType } from './entry.ts'

/** What a new token is made of; everything else has a usual value. Lifetimes in seconds. */
export interface NewToken {
  readonly policies: readonly string[]
  readonly path: string
  /** 0 for ever. */
  readonly ttl: number
  readonly id?: string
  readonly type?: TokenType
  readonly meta?: Readonly<Record<string, string>> | null
  readonly displayName?: string
  readonly explicitMaxTtl?: number
  readonly period?: number
  readonly renewable?: boolean
  readonly role?: string
  readonly entityId?: string
  readonly boundCidrs?: readonly string[]
  readonly numUses?: number
  readonly parent?: TokenEntry | undefined
  readonly internal?: JsonObject
}

const NOTHING: JsonObject = Object.freeze({})

/**
 * The token store. A token ends by revocation, by its last use, by time, or with its parent; with it end its children, its
 * leases and its cubbyhole. Time is looked at when a token is used, and by a sweep for those that nobody uses any more.
 */
export class Tokens {
  readonly #clock: Clock
  readonly #leases: Leases
  readonly #byId = new Map<string, TokenEntry>()
  readonly #byAccessor = new Map<string, TokenEntry>()
  readonly #byLease = new Map<string, TokenEntry>()
  /** No token ends before this; a sweep before then has nothing to do. */
  #nextEnd = FOREVER

  constructor(clock: Clock, leases: Leases) {
    this.#clock = clock
    this.#leases = leases
  }

  create(token: NewToken): TokenEntry {
    const now = this.#clock.now()
    const type = token.type ?? 'service'
    const entry: TokenEntry = {
      id: token.id ?? (type === 'batch' ? batchTokenId() : serviceTokenId()),
      accessor: type === 'batch' ? '' : accessorId(),
      type,
      policies: token.policies,
      path: token.path,
      meta: token.meta ?? null,
      displayName: token.displayName ?? '',
      createdAt: now,
      ttl: token.ttl,
      explicitMaxTtl: token.explicitMaxTtl ?? 0,
      period: token.period ?? 0,
      renewable: type === 'service' && (token.renewable ?? false),
      role: token.role ?? '',
      entityId: token.entityId ?? '',
      boundCidrs: token.boundCidrs ?? [],
      leaseKey: `h${randomText(32)}`,
      internal: token.internal ?? NOTHING,
      numUses: token.numUses ?? 0,
      expiresAt: token.ttl > 0 ? now + token.ttl * 1000 : FOREVER,
      lastRenewal: undefined,
      parent: token.parent,
      alive: true,
    }
    this.#byId.set(entry.id, entry)
    if (entry.accessor !== '') this.#byAccessor.set(entry.accessor, entry)
    if (type === 'service') this.#byLease.set(leaseIdOf(entry), entry)
    if (entry.parent) {
      entry.parent.children ??= new Set()
      entry.parent.children.add(entry)
    }
    this.#nextEnd = Math.min(this.#nextEnd, entry.expiresAt)
    return entry
  }

  find(id: string): TokenEntry | undefined {
    return this.#living(this.#byId.get(id))
  }

  byAccessor(accessor: string): TokenEntry | undefined {
    return this.#living(this.#byAccessor.get(accessor))
  }

  byLease(leaseId: string): TokenEntry | undefined {
    return this.#living(this.#byLease.get(leaseId))
  }

  accessors(): string[] {
    return this.all().map(token => token.accessor)
  }

  /** All service tokens that live. */
  all(): TokenEntry[] {
    return [...this.#byAccessor.values()].filter(token => this.#lives(token))
  }

  /** Spends a use. Answers whether it is the last one: then the token must be revoked when the request is over. */
  use(token: TokenEntry): boolean {
    if (token.numUses === 0) return false
    token.numUses = token.numUses === 1 ? -1 : token.numUses - 1
    return token.numUses === -1
  }

  renew(token: TokenEntry, ttl: number): void {
    const now = this.#clock.now()
    token.lastRenewal = now
    token.expiresAt = now + ttl * 1000
    this.#nextEnd = Math.min(this.#nextEnd, token.expiresAt)
  }

  /** Ends a token and everything that hangs on it; done when its leases are given back. Without recursion: chains may be long. */
  async revoke(token: TokenEntry): Promise<void> {
    const doomed = [token]
    for (const entry of doomed) {
      this.#forget(entry)
      if (entry.children) doomed.push(...entry.children)
    }
    token.parent?.children?.delete(token)
    await this.#leases.revokeAll(doomed.flatMap(entry => this.#leases.of(entry)))
  }

  /** Ends a token and leaves its children behind as orphans. */
  async revokeOrphan(token: TokenEntry): Promise<void> {
    for (const child of token.children ?? []) child.parent = undefined
    token.children?.clear()
    await this.revoke(token)
  }

  /** Removes what has ended by time; called now and then. */
  async sweep(): Promise<void> {
    if (this.#clock.now() < this.#nextEnd) return
    this.#nextEnd = FOREVER
    const ended: TokenEntry[] = []
    for (const token of this.#byId.values()) {
      if (token.expiresAt <= this.#clock.now()) ended.push(token)
      else this.#nextEnd = Math.min(this.#nextEnd, token.expiresAt)
    }
    await Promise.all(ended.map(token => this.revoke(token)))
  }

  #forget(token: TokenEntry): void {
    token.alive = false
    delete token.cubbyhole
    this.#byId.delete(token.id)
    this.#byAccessor.delete(token.accessor)
    this.#byLease.delete(leaseIdOf(token))
  }

  #living(token: TokenEntry | undefined): TokenEntry | undefined {
    return token && this.#lives(token) ? token : undefined
  }

  #lives(token: TokenEntry): boolean {
    const now = this.#clock.now()
    for (let entry: TokenEntry | undefined = token; entry; entry = entry.parent) {
      if (!entry.alive || entry.expiresAt <= now) return false
    }
    return true
  }
}
