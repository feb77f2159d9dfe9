import { WritError } from '../../protocol/errors.ts'
import { loginAppRole, secretIdPath, unwrapSecretId } from '../../vault/approle.ts'
import { isVaultError } from '../../vault/error.ts'
import type { VaultAuth } from '../../vault/response.ts'
import type { Secret } from '../../vault/secret.ts'
import { lookupWrap } from '../../vault/wrapping.ts'
import { asUnavailable } from './caller.ts'
import type { Engine } from './engine.ts'

/** Where Vault stamps what somebody wrapped by himself. */
const REWRAPPED = 'sys/wrapping/wrap'

/**
 * Looks at a wrapping token without spending it. True: it was wrapped anew by somebody, and this server takes that. Throws `wrap_invalid`,
 * `wrap_foreign`.
 */
export async function checkWrap(engine: Engine, wrap: Secret, signal?: AbortSignal): Promise<boolean> {
  let creationPath: string
  try {
    creationPath = (await lookupWrap(engine.vault, wrap, signal)).creationPath
  } catch (error) {
    if (isVaultError(error, 'denied', 'invalid', 'not_found'))
      throw new WritError('wrap_invalid', undefined, { cause: error })
    throw asUnavailable(error)
  }
  // The attack: the interceptor opens the wrap, keeps the SecretID, and forwards another wrap that he made himself with
  // sys/wrapping/wrap. Vault stamps where an answer came from, and only the role's own path is honest.
  if (creationPath === secretIdPath(engine.settings.jobRole)) return false
  if (!engine.settings.acceptRewrapped || creationPath !== REWRAPPED) throw new WritError('wrap_foreign')
  return true
}

/** Opens the wrap and logs in as the job. Throws `wrap_invalid`, `authority_refused`. */
export async function redeemAuthority(engine: Engine, wrap: Secret, signal?: AbortSignal): Promise<VaultAuth> {
  let secretId: Secret
  try {
    secretId = await unwrapSecretId(engine.vault, wrap, signal)
  } catch (error) {
    if (error instanceof TypeError) throw new WritError('wrap_foreign', undefined, { cause: error })
    if (isVaultError(error, 'denied', 'invalid', 'not_found'))
      throw new WritError('wrap_invalid', undefined, { cause: error })
    throw asUnavailable(error)
  }
  try {
    return await loginAppRole(engine.vault, { roleId: engine.settings.jobRoleId, secretId }, signal)
  } catch (error) {
    if (isVaultError(error, 'denied', 'invalid')) throw new WritError('authority_refused', undefined, { cause: error })
    throw asUnavailable(error)
  }
}
