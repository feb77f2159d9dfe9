import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import { WRAPPING_POLICY_NAME } from '../policy/default-policy.ts'
import type { VaultRequest } from '../routing/request.ts'
import type { TokenEntry } from '../tokens/entry.ts'

const INVALID = 'wrapping token is not valid or does not exist'

/** The wrapping token of this id, unspent. @throws VaultError for any other token, also for an ordinary one that is good */
export function wrappingToken(core: Core, id: string): TokenEntry {
  if (id === '') throw refuse(400, 'error validating wrapping token: token is empty')
  const token = core.tokens.find(id)
  if (token?.policies.length !== 1 || token.policies[0] !== WRAPPING_POLICY_NAME || token.numUses < 0) {
    throw refuse(400, INVALID)
  }
  return token
}

/** The token that a request wants opened: in its body, else the one it comes with. */
export function wrappingTokenId(request: VaultRequest): string {
  const { token } = request.data
  return typeof token === 'string' && token !== '' ? token : request.token
}

/**
 * Unwrapping and rewrapping look at the wrapping token before anything else: a client must be able to tell "someone has opened
 * this before me" from a permission it lacks, and an ordinary token sent by mistake must not lose a use.
 */
export function checkWrappingToken(core: Core, request: VaultRequest): void {
  if (request.operation !== 'update') return
  if (request.path !== 'sys/wrapping/unwrap' && request.path !== 'sys/wrapping/rewrap') return
  const id = wrappingTokenId(request)
  if (id !== request.token && request.token === '') throw refuse(400, 'missing client token')
  wrappingToken(core, id)
}
