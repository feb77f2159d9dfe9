import type { Clock } from '../clock.ts'
import type { Answer, Mount, SecretLease } from '../routing/backend.ts'
import { randomText } from '../text/ids.ts'
import type { TokenEntry } from '../tokens/entry.ts'
import type { Lease } from './lease.ts'

/** The leases of secrets. A secret is given back before its lease is forgotten, and what fails to be given back is tried again. */
export class Leases {
  readonly #clock: Clock
  readonly #byId = new Map<string, Lease>()
  readonly #byToken = new WeakMap<TokenEntry, Set<Lease>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  register(path: string, mount: Mount, token: TokenEntry, secret: SecretLease): Lease {
    const now = this.#clock.now()
    const lease: Lease = {
      id: `${path}/${randomText(24)}`,
      mount,
      token,
      issuedAt: now,
      ttl: secret.ttl,
      maxTtl: secret.maxTtl,
      internal: secret.internal,
      expiresAt: now + secret.ttl * 1000,
      lastRenewal: undefined,
    }
    this.#byId.set(lease.id, lease)
    const ofToken = this.#byToken.get(token) ?? new Set()
    this.#byToken.set(token, ofToken.add(lease))
    return lease
  }

  /** Those that a token has read. */
  of(token: TokenEntry): Lease[] {
    return [...(this.#byToken.get(token) ?? [])]
  }

  find(id: string): Lease | undefined {
    const lease = this.#byId.get(id)
    return lease && lease.expiresAt > this.#clock.now() ? lease : undefined
  }

  /** As `find`, and also one that has ended and is not given back yet. */
  known(id: string): Lease | undefined {
    return this.#byId.get(id)
  }

  all(): Lease[] {
    return [...this.#byId.values()].filter(lease => lease.expiresAt > this.#clock.now())
  }

  under(prefix: string): Lease[] {
    return [...this.#byId.values()].filter(lease => lease.id.startsWith(prefix))
  }

  async renew(lease: Lease, ttl: number): Promise<Answer> {
    const now = this.#clock.now()
    await lease.mount.backend.renewSecret?.(lease.internal, now + ttl * 1000)
    lease.lastRenewal = now
    lease.expiresAt = now + ttl * 1000
    return { leaseId: lease.id, renewable: true, leaseDuration: ttl }
  }

  async revoke(lease: Lease): Promise<void> {
    if (!this.#byId.has(lease.id)) return
    await lease.mount.backend.revokeSecret?.(lease.internal)
    this.forget(lease)
  }

  /** Drops the lease without giving back what it stands for. */
  forget(lease: Lease): void {
    this.#byId.delete(lease.id)
    this.#byToken.get(lease.token)?.delete(lease)
  }

  /** Gives back several, all of them even when one fails; what failed stays, ended, for the sweep. */
  async revokeAll(leases: Iterable<Lease>): Promise<void> {
    await Promise.all(
      [...leases].map(async lease => {
        lease.expiresAt = Math.min(lease.expiresAt, this.#clock.now())
        await this.revoke(lease).catch(() => undefined)
      }),
    )
  }

  async sweep(): Promise<void> {
    const now = this.#clock.now()
    await this.revokeAll([...this.#byId.values()].filter(lease => lease.expiresAt <= now))
  }
}
