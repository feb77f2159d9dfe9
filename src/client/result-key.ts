import { WritError } from '../protocol/errors.ts'
import { parseResultKey, parseTransitKey, resultKeyText } from '../protocol/result-key.ts'
import type { Vault } from '../vault/client.ts'
import type { Secret } from '../vault/secret.ts'
import { decrypt, encrypt } from '../vault/transit.ts'

/**
 * A `result_key` of a new age identity, which is kept in it, encrypted by a transit key of the requestor (`update` on its `encrypt`).
 * Neither the server nor its Vault token has a part in it. Throws `result_key_invalid`, `VaultError`.
 */
export async function makeResultKey(
  vault: Vault,
  token: Secret,
  transitKey: string,
  signal?: AbortSignal,
): Promise<string> {
  const key = parseTransitKey(transitKey)
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
  const identity = await generateX25519Identity()
  const [ciphertext = ''] = await encrypt(vault, token, key, [Buffer.from(identity)], signal)
  return resultKeyText({ recipients: [await identityToRecipient(identity)], kept: { ...key, ciphertext } })
}

/**
 * The identity that a `result_key` keeps (`update` on `decrypt` of the transit key), none if it keeps none. Throws
 * `result_key_invalid`, also where what was kept is no identity for it: then somebody else made it. Throws `VaultError`.
 */
export async function keptIdentities(
  vault: Vault,
  token: Secret,
  resultKey: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const { recipients, kept } = parseResultKey(resultKey)
  if (!kept) return []
  const [plain = Buffer.alloc(0)] = await decrypt(vault, token, kept, [kept.ciphertext], signal)
  const { identityToRecipient } = await import('age-encryption')
  const recipient = await identityToRecipient(plain.toString()).catch(() => '')
  // what was decrypted may be any secret of the requestor, so it goes into no message
  if (!recipients.includes(recipient)) throw new WritError('result_key_invalid')
  return [plain.toString()]
}
