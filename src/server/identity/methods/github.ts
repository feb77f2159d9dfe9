import type { Vault } from '../../../vault/client.ts'
import { loginAt } from '../../../vault/login.ts'
import type { Secret } from '../../../vault/secret.ts'
import { type MethodLogin, repeatable } from './login.ts'

export interface GithubCredentials {
  readonly kind: 'github'
  /** A personal access token. */
  readonly token: Secret
  readonly mount?: string
}

export async function byGithub(
  vault: Vault,
  credentials: GithubCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<GithubCredentials>> {
  const path = `auth/${credentials.mount ?? 'github'}/login`
  return repeatable(await loginAt(vault, path, { token: credentials.token.reveal() }, signal), credentials)
}
