import { WritError } from '../../protocol/errors.ts'
import { goDuration } from '../../protocol/go-time.ts'
import { wrappedLogin } from '../../vault/approle.ts'
import type { Vault } from '../../vault/client.ts'
import { isVaultError, shortReason } from '../../vault/error.ts'
import type { WrapInfo } from '../../vault/response.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Signal } from '../../vault/signal.ts'
import { createWrappedToken } from '../../vault/token.ts'
import type { TokenPolicy } from './policies/policy.ts'
import type { GateSettings } from './settings.ts'

/** What is to be made for a task. */
export type Order =
  | { readonly kind: 'token'; readonly policy: TokenPolicy }
  | { readonly kind: 'role'; readonly role: string }

/** Has Vault make the token, wrapped: it is not seen here. Throws `role_unknown`, `token_not_made`, `vault_unavailable`. */
export async function makeToken(
  vault: Vault,
  token: Secret,
  order: Order,
  settings: GateSettings,
  signal: Signal,
): Promise<WrapInfo> {
  try {
    if (order.kind === 'token') {
      return await createWrappedToken(vault, token, requestOf(order.policy), settings.wrapTtlSeconds, signal)
    }
    const role = { name: order.role, mount: settings.approleMount }
    return await wrappedLogin(vault, token, role, settings.wrapTtlSeconds, signal)
  } catch (cause) {
    throw refusalOf(cause, order)
  }
}

/** The body of `auth/token/create`, its keys in the order of vault-gatekeeper's (gatekeeper.md §8.6). */
function requestOf(policy: TokenPolicy) {
  return {
    ttl: goDuration(policy.ttl * 1000),
    policies: policy.policies,
    ...(Object.keys(policy.meta).length > 0 ? { meta: policy.meta } : {}),
    num_uses: policy.numUses,
    no_parent: true,
    renewable: policy.renewable,
  }
}

function refusalOf(cause: unknown, order: Order): unknown {
  if (!isVaultError(cause)) return new WritError('vault_unavailable', undefined, { cause })
  if (cause.kind === 'not_found' && order.kind === 'role') return new WritError('role_unknown', undefined, { cause })
  if (cause.kind === 'unavailable') return new WritError('vault_unavailable', undefined, { cause })
  return new WritError('token_not_made', shortReason(cause), { cause })
}
