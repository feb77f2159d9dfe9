/** What tokens a matching task gets, as vault-gatekeeper's version 1 says it (gatekeeper.md §7.1). */
export interface TokenPolicy {
  readonly kind: 'token'
  readonly policies: readonly string[]
  readonly meta: Readonly<Record<string, string>>
  /** Seconds; 0 leaves it to Vault. */
  readonly ttl: number
  /** What the token may be used for so many times; 0 is without limit. */
  readonly numUses: number
  readonly renewable: boolean
  /** How often a task may ask. */
  readonly fetches: number
  /** A limit of its own on that was written down: the refusal reads differently. */
  readonly multiFetch: boolean
}

/** The AppRoles that a matching task may log in to, as version 2 says it (gatekeeper.md §14.1). */
export interface RolePolicy {
  readonly kind: 'role'
  /** May be empty: then the wider patterns have some. */
  readonly roles: readonly string[]
  /** How often a task may ask. */
  readonly fetches: number
  /** Must match all of what comes after the prefix. */
  readonly regexp: string | null
}

export type Policy = TokenPolicy | RolePolicy

/** All policies of a gate, of one kind: pattern to policy, the longest pattern first. */
export type PolicySet =
  | { readonly kind: 'token'; readonly entries: ReadonlyMap<string, TokenPolicy> }
  | { readonly kind: 'role'; readonly entries: ReadonlyMap<string, RolePolicy> }

/** What a task gets where nothing else is for it (gatekeeper.md §7.3): the default policy, for six hours. */
export const BUILT_IN: TokenPolicy = {
  kind: 'token',
  policies: ['default'],
  meta: {},
  ttl: 21_600,
  numUses: 0,
  renewable: true,
  fetches: 1,
  multiFetch: false,
}
