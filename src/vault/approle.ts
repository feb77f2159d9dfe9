import type { Vault } from './client.ts'
import { VaultError } from './error.ts'
import { loginAt } from './login.ts'
import { text, type VaultAuth, type WrapInfo } from './response.ts'
import { Secret } from './secret.ts'
import { unwrap } from './wrapping.ts'

/** Where the SecretIDs of a role are made: what `creation_path` of an honest wrap says. */
export function secretIdPath(role: string, mount = 'approle'): string {
  return `auth/${mount}/role/${role}/secret-id`
}

export async function loginAppRole(
  vault: Vault,
  credentials: { roleId: string; secretId: Secret },
  signal?: AbortSignal,
  mount = 'approle',
): Promise<VaultAuth> {
  const body = { role_id: credentials.roleId, secret_id: credentials.secretId.reveal() }
  return await loginAt(vault, `auth/${mount}/login`, body, signal)
}

/** A new SecretID of the role, response-wrapped: its value is seen by whoever unwraps it and by nobody else. */
export async function wrappedSecretId(
  vault: Vault,
  token: Secret,
  role: string,
  wrapTtl: string,
  signal?: AbortSignal,
): Promise<WrapInfo> {
  const path = secretIdPath(role)
  const answer = await vault.send({ method: 'POST', path, token, body: {}, wrapTtl, signal })
  if (!answer?.wrap) throw new VaultError({ status: 0, path, errors: ['an answer that is not wrapped'] })
  return answer.wrap
}

export async function unwrapSecretId(vault: Vault, wrap: Secret, signal?: AbortSignal): Promise<Secret> {
  const answer = await unwrap(vault, wrap, signal)
  return new Secret(text(answer.data?.secret_id, 'secret_id'))
}
