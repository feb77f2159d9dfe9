import type { Vault } from '../../../vault/client.ts'
import { loginAt } from '../../../vault/login.ts'
import type { Secret } from '../../../vault/secret.ts'
import { freshFile } from './kubernetes.ts'
import { type MethodLogin, repeatable } from './login.ts'

export interface JwtCredentials {
  readonly kind: 'jwt'
  readonly role: string
  /** The token, or the file that somebody keeps a fresh one in. */
  readonly jwt: Secret | { readonly file: string }
  readonly mount?: string
}

export async function byJwt(
  vault: Vault,
  credentials: JwtCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<JwtCredentials>> {
  const { role, mount = 'jwt' } = credentials
  const path = `auth/${mount}/login`
  const jwt = 'file' in credentials.jwt ? await freshFile(credentials.jwt.file, path) : credentials.jwt.reveal()
  return repeatable(await loginAt(vault, path, { ...(role && { role }), jwt }, signal), credentials)
}
