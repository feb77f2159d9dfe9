import type { Mount } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'
import type { TokenEntry } from '../tokens/entry.ts'

/** A secret that was given out and must be taken back: by request, with its token, with its mount, or by time. */
export interface Lease {
  readonly id: string
  readonly mount: Mount
  readonly token: TokenEntry
  readonly issuedAt: number
  /** Seconds. */
  readonly ttl: number
  readonly maxTtl: number
  readonly internal: JsonObject
  expiresAt: number
  lastRenewal: number | undefined
}
