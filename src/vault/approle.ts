import type { Vault } from './client.ts'
import { understood, VaultError } from './error.ts'
import { loginAt } from './login.ts'
import { text, type VaultAuth, type WrapInfo } from './response.ts'
import { Secret } from './secret.ts'
import type { Signal } from './signal.ts'
import { requireWrap } from './token.ts'
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
  return requireWrap(path, answer?.wrap)
}

export async function unwrapSecretId(vault: Vault, wrap: Secret, signal?: AbortSignal): Promise<Secret> {
  const answer = await unwrap(vault, wrap, signal)
  return new Secret(text(answer.data?.secret_id, 'secret_id'))
}

/**
 * Logs in to a role on somebody's behalf, with a power over the role: the token is wrapped and seen by nobody here (gatekeeper.md
 * §13.6). `wrapTtl` in seconds. Throws `VaultError`; `not_found` when there is no such role.
 */
export async function wrappedLogin(
  vault: Vault,
  token: Secret,
  role: { name: string; mount: string },
  wrapTtl: number,
  signal?: Signal,
): Promise<WrapInfo> {
  const of = `auth/${role.mount}/role/${role.name}`
  const known = await vault.send({ method: 'GET', path: `${of}/role-id`, token, signal })
  const roleId = understood(`${of}/role-id`, () => text(known?.data?.role_id, 'role_id'))
  const made = await vault.send({ method: 'POST', path: `${of}/secret-id`, token, body: {}, signal })
  const secretId = understood(`${of}/secret-id`, () => new Secret(text(made?.data?.secret_id, 'secret_id')))
  const path = `auth/${role.mount}/login`
  const body = { role_id: roleId, secret_id: secretId.reveal() }
  const answer = await vault.send({ method: 'POST', path, token: null, body, wrapTtl: String(wrapTtl), signal })
  return requireWrap(path, answer?.wrap)
}

/** A new SecretID of the role, in the open: for a holder that replaces its own. */
export async function newSecretId(
  vault: Vault,
  token: Secret,
  { mount, role }: { mount: string; role: string },
  signal?: AbortSignal,
): Promise<Secret> {
  const path = secretIdPath(role, mount)
  const answer = await vault.send({ method: 'POST', path, token, body: {}, signal })
  return understood(path, () => new Secret(text(answer?.data?.secret_id, 'secret_id')))
}

/** Makes a SecretID useless. No error when it is gone already. */
export async function destroySecretId(
  vault: Vault,
  token: Secret,
  { mount, role, secretId }: { mount: string; role: string; secretId: Secret },
  signal?: AbortSignal,
): Promise<void> {
  const path = `${secretIdPath(role, mount)}/destroy`
  try {
    await vault.send({ method: 'POST', path, token, body: { secret_id: secretId.reveal() }, signal })
  } catch (error) {
    // Vault answers 500 or 400 for one that has expired (gitops.md U9); one that it would not let us destroy is a 403
    const gone = error instanceof VaultError && /secret.?id/i.test(error.errors.join()) && error.kind !== 'denied'
    if (!gone) throw error
  }
}
