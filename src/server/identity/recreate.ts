import type { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import { createToken, lookupSelf } from '../../vault/token.ts'
import type { Login } from './credentials.ts'

/** A new token of the same policies and life as the one held (gatekeeper.md §9.2), with its own power. Throws `VaultError`. */
export async function recreate(vault: Vault, held: Login, signal?: AbortSignal): Promise<Login> {
  const { policies, creationTtl } = await lookupSelf(vault, held.token, signal)
  const made = await createToken(vault, held.token, wanted(policies, creationTtl), signal)
  const token: Secret = made.token
  return {
    token,
    leaseSeconds: made.leaseSeconds,
    renewable: made.renewable,
    ours: true,
    again: againWith(held, token),
  }
}

function wanted(policies: readonly string[], seconds: number) {
  return { policies, ttl: `${seconds}s`, num_uses: 0, no_parent: true, meta: { info: 'auto-created' } }
}

/** Where the credentials were the old token itself, they are the new one from now on; the old one ends. */
function againWith(held: Login, token: Secret): Login['again'] {
  return held.again?.kind === 'token' ? { kind: 'token', token } : held.again
}
