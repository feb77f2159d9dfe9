import { refuse } from '../../errors.ts'
import type { Fields } from '../../fields.ts'
import { Base64Error, decodeBase64 } from '../../text/base64.ts'
import type { TransitKey } from './key.ts'

const MISSING =
  `missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information ` +
  'must be included in order to perform operations with the key'

/** The context of a derived key; empty for others. @throws VaultError */
export function contextOf(key: TransitKey, fields: Fields): Buffer {
  const context = decoded(fields.text('context'), text => text)
  if (key.derived && context.length === 0) throw refuse(400, MISSING)
  return context
}

/** Base64 from a client. @throws VaultError with the reason, worded by the caller */
export function decoded(text: string, word: (reason: string) => string): Buffer {
  try {
    return decodeBase64(text)
  } catch (error) {
    if (error instanceof Base64Error) throw refuse(400, word(error.message))
    throw error
  }
}

/** The input of hash, hmac, sign and verify. */
export function inputOf(fields: Fields): Buffer {
  return decoded(fields.text('input'), reason => `unable to decode input as base64: ${reason}`)
}
