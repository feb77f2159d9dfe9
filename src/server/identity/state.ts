/** Sealed: no token. Unsealed: one that is good. Degraded: one that may be good, but Vault is away. */
export type Phase = 'sealed' | 'unsealed' | 'degraded'

export interface IdentityState {
  readonly phase: Phase
  readonly sealed: boolean
  /** Why it is so; never holds a credential. */
  readonly reason: string
  /** By which method it is logged in, or tries to. */
  readonly method: string | null
  /** What it will do by itself, and when; null: nothing, somebody has to unseal it. */
  readonly next: { readonly what: string; readonly at: Date } | null
}
