import type { Vault } from './client.ts'
import type { VaultAuth } from './response.ts'
import { requireAuth } from './token.ts'

/**
 * A login at an auth method: `path` from `auth/` on, without a token of one's own. Repeated only when Vault has certainly not seen
 * it, for a login may spend what it is made with.
 */
export async function loginAt(
  vault: Vault,
  path: string,
  body: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<VaultAuth> {
  const answer = await vault.send({ method: 'POST', path, token: null, body, signal })
  return requireAuth(path, answer?.auth)
}
