import type { Vault } from '../../../vault/client.ts'
import { loginAt } from '../../../vault/login.ts'
import type { Secret } from '../../../vault/secret.ts'
import { type MethodLogin, repeatable } from './login.ts'
import { oneSegment } from './segment.ts'

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
  const path = `auth/${credentials.mount ?? 'userpass'}/login/${oneSegment(credentials.username)}`
  return repeatable(await loginAt(vault, path, { password: credentials.password.reveal() }, signal), credentials)
}
