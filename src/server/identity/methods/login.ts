import type { VaultAuth } from '../../../vault/response.ts'
import type { Secret } from '../../../vault/secret.ts'

/** What a method of logging in has brought; `C` are its credentials. */
export interface MethodLogin<C> {
  readonly token: Secret
  /** Seconds; 0 never expires. */
  readonly leaseSeconds: number
  readonly renewable: boolean
  /** Nobody else holds this token, so it is ours to revoke. */
  readonly ours: boolean
  /** With what to log in again when renewal has ended; null: this was good for once. */
  readonly again: C | null
}

/** A login of our own, which can be made again with the same credentials. */
export function repeatable<C>(auth: VaultAuth, again: C): MethodLogin<C> {
  return { token: auth.token, leaseSeconds: auth.leaseSeconds, renewable: auth.renewable, ours: true, again }
}
