import type { Vault } from '../../../vault/client.ts'
import type { Secret } from '../../../vault/secret.ts'
import { type MethodLogin, repeatable } from './login.ts'
import { loginAs } from './segment.ts'

export interface UserpassCredentials {
  readonly kind: 'userpass'
  readonly username: string
  readonly password: Secret
  readonly mount?: string
}

export async function byUserpass(
  vault: Vault,
  credentials: UserpassCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<UserpassCredentials>> {
  const { mount = 'userpass', username, password } = credentials
  return repeatable(await loginAs(vault, mount, username, { password: password.reveal() }, signal), credentials)
}
