import { rfc3339 } from '../../clock.ts'
import { uuid } from '../../text/ids.ts'
import type { JsonObject } from '../../text/json.ts'

/** One secret id. Lifetime in seconds, times in milliseconds. */
export interface SecretId {
  readonly id: string
  readonly accessor: string
  readonly metadata: Readonly<Record<string, string>>
  readonly cidrs: readonly string[]
  readonly tokenCidrs: readonly string[]
  readonly ttl: number
  readonly createdAt: number
  readonly expiresAt: number
  updatedAt: number
  /** 0 is unlimited. */
  usesLeft: number
}

/** The secret ids of one role. They end by their last use or by time. */
export class SecretIds {
  readonly #byId = new Map<string, SecretId>()
  readonly #byAccessor = new Map<string, SecretId>()

  add(entry: Omit<SecretId, 'accessor' | 'updatedAt' | 'expiresAt'>): SecretId {
    const expiresAt = entry.ttl > 0 ? entry.createdAt + entry.ttl * 1000 : Number.POSITIVE_INFINITY
    const secretId = { ...entry, accessor: uuid(), updatedAt: entry.createdAt, expiresAt }
    this.#byId.set(secretId.id, secretId)
    this.#byAccessor.set(secretId.accessor, secretId)
    return secretId
  }

  get(id: string, now: number): SecretId | undefined {
    return this.#living(this.#byId.get(id), now)
  }

  byAccessor(accessor: string, now: number): SecretId | undefined {
    return this.#living(this.#byAccessor.get(accessor), now)
  }

  accessors(now: number): string[] {
    return [...this.#byAccessor.values()].filter(secretId => secretId.expiresAt > now).map(({ accessor }) => accessor)
  }

  delete(secretId: SecretId): void {
    this.#byId.delete(secretId.id)
    this.#byAccessor.delete(secretId.accessor)
  }

  use(secretId: SecretId, now: number): void {
    if (secretId.usesLeft === 0) return
    secretId.usesLeft--
    secretId.updatedAt = now
    if (secretId.usesLeft === 0) this.delete(secretId)
  }

  tidy(now: number): void {
    for (const secretId of this.#byId.values()) if (secretId.expiresAt <= now) this.delete(secretId)
  }

  #living(secretId: SecretId | undefined, now: number): SecretId | undefined {
    return secretId && secretId.expiresAt > now ? secretId : undefined
  }
}

/** A time in Go that was never set. */
const NEVER = '0001-01-01T00:00:00Z'

export function showSecretId(secretId: SecretId): JsonObject {
  return {
    cidr_list: secretId.cidrs,
    creation_time: rfc3339(secretId.createdAt),
    expiration_time: Number.isFinite(secretId.expiresAt) ? rfc3339(secretId.expiresAt) : NEVER,
    last_updated_time: rfc3339(secretId.updatedAt),
    metadata: secretId.metadata,
    secret_id_accessor: secretId.accessor,
    secret_id_num_uses: secretId.usesLeft,
    secret_id_ttl: Math.trunc(secretId.ttl),
    token_bound_cidrs: secretId.tokenCidrs,
  }
}
