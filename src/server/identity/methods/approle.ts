import { loginAppRole, unwrapSecretId } from '../../../vault/approle.ts'
import type { Vault } from '../../../vault/client.ts'
import type { Secret } from '../../../vault/secret.ts'
import { type MethodLogin, repeatable } from './login.ts'

export interface AppRoleCredentials {
  readonly kind: 'approle'
  readonly roleId: string
  readonly secretId: Secret
  /** The SecretID is a wrapping token, to be opened first. */
  readonly wrapped?: boolean
  readonly mount?: string
}

export async function byAppRole(
  vault: Vault,
  credentials: AppRoleCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<AppRoleCredentials>> {
  const { roleId, wrapped, mount } = credentials
  const secretId = wrapped ? await unwrapSecretId(vault, credentials.secretId, signal) : credentials.secretId
  const auth = await loginAppRole(vault, { roleId, secretId }, signal, mount)
  return repeatable(auth, { ...credentials, secretId, wrapped: false })
}
