import { WritError } from '../../protocol/errors.ts'
import { capabilities } from '../../vault/capabilities.ts'
import type { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import type { PolicySet } from './policies/policy.ts'
import { NAME_OF_TASK } from './policies/read.ts'
import type { GateSettings } from './settings.ts'

/** Enough to know whether a token is one of a gate. */
const MOST_ROLES = 20

/**
 * Refuses a token that could make no token for any task. The attack: anybody may unseal, so a token that may do no more than read the
 * policies would turn a gate that says *sealed*, and is watched for it, into one that says *unsealed* and refuses everybody. Throws
 * `login_weak`, and what `capabilities` throws: who cannot be asked what he may do is refused as well.
 */
export async function requireAbility(
  vault: Vault,
  token: Secret,
  set: PolicySet,
  { approleMount }: GateSettings,
  signal: AbortSignal,
): Promise<void> {
  if (set.kind === 'token') {
    const [granted = []] = await capabilities(vault, token, ['auth/token/create'], signal)
    if (granted.includes('root') || (granted.includes('update') && granted.includes('sudo'))) return
    throw new WritError('login_weak', 'that takes update and sudo on auth/token/create')
  }
  const listed = new Set([...set.entries.values()].flatMap(({ roles }) => roles))
  // whatever a task is called: nothing can be said of it in advance
  if (listed.has(NAME_OF_TASK)) return
  const paths = [...listed].slice(0, MOST_ROLES).map(role => `auth/${approleMount}/role/${role}/secret-id`)
  const granted = await capabilities(vault, token, paths, signal)
  if (granted.some(list => list.includes('root') || list.includes('update'))) return
  throw new WritError('login_weak', 'that takes update on the secret-id of their AppRoles')
}
