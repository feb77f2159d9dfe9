import { createHash } from 'node:crypto'
import type { Secret } from '../vault/secret.ts'

/** Hex SHA-256 of a token: says which one is meant, and cannot be used as one. */
export function fingerprint(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('hex')
}
