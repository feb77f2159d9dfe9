import type { JsonObject } from '../text/json.ts'

export type TokenType = 'service' | 'batch'

/** A token as the store keeps it. Lifetimes are in seconds, times in milliseconds. */
export interface TokenEntry {
  readonly id: string
  /** Empty for batch tokens. */
  readonly accessor: string
  readonly type: TokenType
  readonly policies: readonly string[]
  /** Where it was made: `auth/token/create`, `auth/approle/login`; of a wrapping token what was wrapped. */
  readonly path: string
  readonly meta: Readonly<Record<string, string>> | null
  readonly displayName: string
  readonly createdAt: number
  /** The lifetime it was made with; 0 for ever. */
  readonly ttl: number
  readonly explicitMaxTtl: number
  readonly period: number
  readonly renewable: boolean
  /** The token role it was made by. */
  readonly role: string
  readonly entityId: string
  readonly boundCidrs: readonly string[]
  /** The last part of its lease id. */
  readonly leaseKey: string
  /** What the login method needs to decide about a renewal. */
  readonly internal: JsonObject
  /** Uses left; 0 is unlimited, -1 the last one under way. */
  numUses: number
  expiresAt: number
  lastRenewal: number | undefined
  parent: TokenEntry | undefined
  alive: boolean
  /** Made on first use: most tokens have no children and no cubbyhole. */
  children?: Set<TokenEntry>
  cubbyhole?: Map<string, JsonObject>
}

/** No end. */
export const FOREVER = Number.POSITIVE_INFINITY

export const leaseIdOf = (token: TokenEntry): string => `${token.path}/${token.leaseKey}`
