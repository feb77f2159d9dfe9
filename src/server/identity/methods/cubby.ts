import type { Vault } from '../../../vault/client.ts'
import { refusedHere } from '../../../vault/error.ts'
import { Secret } from '../../../vault/secret.ts'
import { revokeSelf } from '../../../vault/token.ts'
import type { MethodLogin } from './login.ts'
import { life } from './wrapped-token.ts'

/** A token that lies in the cubbyhole of another one, under the key `token` (gatekeeper.md §5). */
export interface CubbyCredentials {
  readonly kind: 'cubby'
  readonly cubbyToken: Secret
  /** Below `cubbyhole/`; a slash in front does not matter. */
  readonly path: string
}

export async function byCubby(
  vault: Vault,
  credentials: CubbyCredentials,
  signal?: AbortSignal,
): Promise<MethodLogin<CubbyCredentials>> {
  const path = `cubbyhole/${credentials.path.replace(/^\/+/, '')}`
  // the path is the caller's word, and the token his own: he must not choose what else is read with it
  if (!/^cubbyhole(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/.test(path))
    throw refusedHere('cubbyhole', 'Invalid path of a cubby.')
  const answer = await vault.send({ method: 'GET', path, token: credentials.cubbyToken, signal })
  const text = answer?.data?.token
  if (typeof text !== 'string' || text === '') throw refusedHere('cubbyhole', 'Invalid token in cubby.')
  const token = new Secret(text)
  const { seconds, renewable } = await life(vault, token, signal)
  // whoever finds the cubby token later finds an empty hole
  await revokeSelf(vault, credentials.cubbyToken, signal).catch(() => {})
  return { token, leaseSeconds: seconds, renewable, ours: true, again: null }
}
