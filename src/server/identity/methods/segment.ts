import type { Vault } from '../../../vault/client.ts'
import { isVaultError, refusedHere, VaultError } from '../../../vault/error.ts'
import { loginAt } from '../../../vault/login.ts'
import type { VaultAuth } from '../../../vault/response.ts'

/** A name that a caller sends and that becomes one segment of a path: with a slash in it, it would be several. */
function oneSegment(name: string): string {
  if (/^[^/\p{C}]{1,256}$/u.test(name) && !/^\.+$/.test(name)) return name
  throw refusedHere('auth', 'not a name')
}

/**
 * A login whose path ends with the name of who logs in. The attack: an app id is half of a credential, and the path of a refusal is
 * in the status, which anybody may read; so errors leave the name out. Throws `VaultError`.
 */
export async function loginAs(
  vault: Vault,
  mount: string,
  name: string,
  body: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<VaultAuth> {
  const path = `auth/${mount}/login`
  try {
    return await loginAt(vault, `${path}/${oneSegment(name)}`, body, signal)
  } catch (error) {
    if (!isVaultError(error)) throw error
    throw new VaultError({ status: error.status, path, errors: error.errors, ours: error.ours })
  }
}
