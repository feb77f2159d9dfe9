import type { Vault } from './client.ts'
import { understood, VaultError } from './error.ts'
import { isRecord, text } from './response.ts'
import type { Secret } from './secret.ts'

/** A key by its name, on the mount `transit` or another one. */
export type KeyRef = string | { readonly mount: string; readonly name: string }

function pathOf(operation: 'encrypt' | 'decrypt', key: KeyRef): string {
  return typeof key === 'string' ? `transit/${operation}/${key}` : `${key.mount}/${operation}/${key.name}`
}

/** Encrypts with `transit/encrypt/<key>`: bytes in, Vault's `vault:v1:…` text out, in the same order. One call for all. */
export async function encrypt(
  vault: Vault,
  token: Secret,
  key: KeyRef,
  plaintexts: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<string[]> {
  const items = plaintexts.map(bytes => ({ plaintext: Buffer.from(bytes).toString('base64') }))
  return await batch(vault, token, pathOf('encrypt', key), items, 'ciphertext', signal)
}

/** Decrypts with `transit/decrypt/<key>`: Vault's texts in, bytes out, in the same order. One call for all. */
export async function decrypt(
  vault: Vault,
  token: Secret,
  key: KeyRef,
  ciphertexts: readonly string[],
  signal?: AbortSignal,
): Promise<Buffer[]> {
  const items = ciphertexts.map(ciphertext => ({ ciphertext }))
  const plain = await batch(vault, token, pathOf('decrypt', key), items, 'plaintext', signal)
  return plain.map(base64 => Buffer.from(base64, 'base64'))
}

async function batch(
  vault: Vault,
  token: Secret,
  path: string,
  items: readonly object[],
  field: 'ciphertext' | 'plaintext',
  signal?: AbortSignal,
): Promise<string[]> {
  if (items.length === 0) return []
  // a single item goes without batch_input: its failure is then a status of its own and not an entry of a 200
  const [only] = items
  if (only && items.length === 1) {
    const answer = await vault.send({ method: 'POST', path, token, body: only, signal })
    return [understood(path, () => text(answer?.data?.[field], field))]
  }
  const answer = await vault.send({ method: 'POST', path, token, body: { batch_input: items }, signal })
  const results = answer?.data?.batch_results
  if (!Array.isArray(results) || results.length !== items.length) {
    throw new VaultError({ status: 0, path, errors: ['batch_results do not match what was sent'] })
  }
  return results.map(result => {
    if (isRecord(result) && typeof result[field] === 'string') return result[field]
    const reason = isRecord(result) && typeof result.error === 'string' ? result.error : 'no result'
    throw new VaultError({ status: 400, path, errors: [reason] })
  })
}
