import type { Vault } from '../../../vault/client.ts'
import { isVaultError, refusedHere } from '../../../vault/error.ts'
import type { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'
import { unwrap } from '../../../vault/wrapping.ts'
import type { MethodLogin } from './login.ts'

/** A response-wrapped token, opened once. */
export interface WrappedTokenCredentials {
  readonly kind: 'wrapped-token'
  readonly wrap: Secret
}

export async function byWrappedToken(
  vault: Vault,
  credentials: WrappedTokenCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<WrappedTokenCredentials>> {
  const { auth } = await unwrap(vault, credentials.wrap, signal)
  if (!auth?.token.reveal()) throw refusedHere('sys/wrapping/unwrap', 'Invalid wrapped token.')
  const { seconds, renewable } = await life(vault, auth.token, signal)
  return { token: auth.token, leaseSeconds: seconds, renewable, ours: true, again: null }
}

/**
 * How long a token that came by a way of its own lives from now. There is no second try at opening what it came in, so a Vault that
 * goes away in between must not lose it: then its life is said to be a second, and the renewal finds out.
 */
export async function life(
  vault: Vault,
  token: Secret,
  signal?: AbortSignal,
): Promise<{ seconds: number; renewable: boolean }> {
  try {
    const { ttl, renewable } = await lookupSelf(vault, token, signal)
    return { seconds: ttl, renewable }
  } catch (error) {
    if (isVaultError(error, 'unavailable')) return { seconds: 1, renewable: true }
    throw error
  }
}
