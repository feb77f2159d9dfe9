import { WritError } from './errors.ts'

/** `NAME@PATH.KEY` (gostint.md §8.1). */
export interface SecretRef {
  readonly name: string
  readonly path: string
  readonly key: string
}

const GRAMMAR = /^([A-Za-z0-9_]+)@([A-Za-z0-9_/-]+)\.([A-Za-z0-9_-]+)$/

/**
 * Reads a reference. The path has no dots, so it cannot climb. Slashes too many in it are left out, as GoStint's client of Vault did.
 * Throws `secret_ref_invalid` with the reference, which holds no secret.
 */
export function parseSecretRef(ref: string): SecretRef {
  const [, name, path, key] = GRAMMAR.exec(ref) ?? []
  const parts = path?.split('/').filter(part => part !== '') ?? []
  if (!name || !key || parts.length === 0) throw new WritError('secret_ref_invalid', JSON.stringify(ref.slice(0, 200)))
  return { name, path: parts.join('/'), key }
}
