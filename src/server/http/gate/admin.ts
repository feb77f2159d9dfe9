import type { FastifyRequest } from 'fastify'
import { WritError } from '../../../protocol/errors.ts'
import { fingerprint } from '../../../protocol/fingerprint.ts'
import { isCapable } from '../../../vault/capabilities.ts'
import type { Vault } from '../../../vault/client.ts'
import { isVaultError } from '../../../vault/error.ts'
import { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'
import type { Operator } from '../../gate/operator.ts'
import { tokenOf } from '../auth.ts'
import type { Fields } from './body.ts'

const PATH = 'writ/gate'
const WAIT_MS = 10_000

/**
 * Lets through who holds a Vault token with `update` on `writ/gate`, and says who that is; from the page it comes as a field. When
 * Vault cannot be asked, the answer is no. Throws `gate_not_permitted`, `vault_unavailable`.
 */
export async function requireAdmin(vault: Vault, request: FastifyRequest, form: Fields): Promise<Operator> {
  const field = form.get('vault_token')
  const token = field ? new Secret(field) : tokenOf(request)
  if (!token) throw new WritError('gate_not_permitted')
  const signal = AbortSignal.timeout(WAIT_MS)
  try {
    if (await isCapable(vault, token, PATH, 'update', signal)) {
      return { ...operatorOf(request), ...(await holderOf(vault, token, signal)) }
    }
  } catch (cause) {
    if (!isVaultError(cause, 'denied', 'invalid')) throw new WritError('vault_unavailable', undefined, { cause })
  }
  throw new WritError('gate_not_permitted')
}

/** Who is known by the connection alone. */
export function operatorOf(request: FastifyRequest): Operator {
  return { address: request.socket.remoteAddress ?? '' }
}

/** Who cannot be named on the audit trail does not administer: like the question before it, this is allowed by the default policy. */
async function holderOf(vault: Vault, token: Secret, signal: AbortSignal): Promise<Omit<Operator, 'address'>> {
  const { displayName, accessor } = await lookupSelf(vault, token, signal)
  return { name: displayName, ...(accessor ? { accessor_hash: fingerprint(new Secret(accessor)) } : {}) }
}

/**
 * Refuses what a page of another site makes a browser send. The attack: a form on any page that an operator visits could seal the gate,
 * or unseal a sealed one with a token and policies of the attacker's choice (gatekeeper.md §18.4.4). Browsers say where a form came
 * from; everything else sends neither header.
 */
export function requireSameSite(request: FastifyRequest): void {
  const { origin, host, 'sec-fetch-site': site = 'none' } = request.headers
  const foreign = origin !== undefined && URL.parse(origin)?.host !== host
  if (foreign || !['none', 'same-origin'].includes(String(site))) {
    throw new WritError('gate_not_permitted', 'the request comes from another site')
  }
}
