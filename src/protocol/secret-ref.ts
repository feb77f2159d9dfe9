import { WritError } from './errors.ts'

/** `NAME@PATH.KEY` (gostint.md §8.1). */
export interface SecretRef {
  readonly name: string
  readonly path: string
  readonly key: string
}

const GRAMMAR = /^([A-Za-z0-9_]+)@([A-Za-z0-9_-][A-Za-z0-9_/-]*)\.([A-Za-z0-9_-]+)$/

/**
 * Reads a reference. The path has no dots, so it cannot climb, and no empty segment, so it means what it says.
 * Throws `secret_ref_invalid` with the reference, which holds no secret.
 */
export function parseSecretRef(ref: string): SecretRef {
  const [, name, path, key] = GRAMMAR.exec(ref) ?? []
  if (!name || !path || !key || path.includes('//') || path.endsWith('/')) {
    throw new WritError('secret_ref_invalid', JSON.stringify(ref.slice(0, 200)))
  }
  return { name, path, key }
}
