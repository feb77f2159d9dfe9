import { rfc3339 } from '../clock.ts'
import type { JsonObject } from '../text/json.ts'
import { FOREVER, type TokenEntry } from './entry.ts'

/** The `auth` block of an answer that gives or renews a token. */
export function authBlock(token: TokenEntry, leaseDuration: number): JsonObject {
  return {
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.meta,
    lease_duration: Math.trunc(leaseDuration),
    renewable: token.renewable && token.ttl > 0,
    entity_id: token.entityId,
    token_type: token.type,
    orphan: token.parent === undefined,
  }
}

/** What the lookups answer. */
export function tokenData(token: TokenEntry, now: number, hideId = false): JsonObject {
  const ends = token.expiresAt !== FOREVER
  return {
    accessor: token.accessor,
    creation_time: Math.trunc(token.createdAt / 1000),
    creation_ttl: Math.trunc(token.ttl),
    display_name: token.displayName,
    entity_id: token.entityId,
    expire_time: ends ? rfc3339(token.expiresAt) : null,
    explicit_max_ttl: Math.trunc(token.explicitMaxTtl),
    id: hideId ? '' : token.id,
    issue_time: rfc3339(token.createdAt),
    meta: token.meta,
    num_uses: token.numUses,
    orphan: token.parent === undefined,
    path: token.path,
    policies: token.policies,
    renewable: token.renewable && token.ttl > 0,
    ttl: ends ? Math.trunc((token.expiresAt - now) / 1000) : 0,
    type: token.type,
    ...(token.period > 0 && { period: Math.trunc(token.period) }),
    ...(token.role !== '' && { role: token.role }),
    ...(token.boundCidrs.length > 0 && { bound_cidrs: token.boundCidrs }),
    ...(token.lastRenewal !== undefined && {
      last_renewal: rfc3339(token.lastRenewal),
      last_renewal_time: Math.trunc(token.lastRenewal / 1000),
    }),
  }
}
