import type { Vault } from '../../../vault/client.ts'
import type { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'
import type { MethodLogin } from './login.ts'

/** A token that somebody made for us and may hold too. */
export interface TokenCredentials {
  readonly kind: 'token'
  readonly token: Secret
}

export async function byToken(
  vault: Vault,
  credentials: TokenCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<TokenCredentials>> {
  const { ttl, renewable } = await lookupSelf(vault, credentials.token, signal)
  return { token: credentials.token, leaseSeconds: ttl, renewable, ours: false, again: credentials }
}
