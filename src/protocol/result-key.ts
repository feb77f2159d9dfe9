import { WritError } from './errors.ts'

/** More would make each piece of output mostly header. */
const RECIPIENTS = 8

/**
 * `transit:MOUNT/keys/NAME:vault:vN:…`: the private half of one of the recipients, encrypted by a transit key of the requestor. A mount and
 * a name of plain characters only: whoever opens it puts them into a path of Vault, and may have them from a server he does not trust.
 */
const KEPT =
  /^transit:([a-z0-9_-]+(?:\/[a-z0-9_-]+){0,3})\/keys\/([\w-][\w.-]{0,127}):(vault:v\d{1,9}:[A-Za-z0-9+/]{16,400}={0,2})$/i

export interface TransitKey {
  readonly mount: string
  readonly name: string
}

/** What a `result_key` says. */
export interface ResultKey {
  /** age recipients, at least one. */
  readonly recipients: readonly string[]
  /** Where the identity that opens it is kept; null: with whoever made it. */
  readonly kept: (TransitKey & { readonly ciphertext: string }) | null
}

/** Throws `result_key_invalid`. Whether the recipients are good ones is seen when something is encrypted to them. */
export function parseResultKey(text: string): ResultKey {
  const items = text.split(',').map(item => item.trim())
  const recipients = items.filter(item => !item.startsWith('transit:'))
  const [kept, ...more] = items.filter(item => item.startsWith('transit:'))
  // the attack: AGE-SECRET-KEY… would be refused later too, but it must not get as far as a message that quotes it
  const readable = recipients.length > 0 && recipients.every(item => /^age1[0-9a-z]+$/.test(item))
  if (!readable || recipients.length > RECIPIENTS || more.length > 0) throw new WritError('result_key_invalid')
  if (kept === undefined) return { recipients, kept: null }
  const [, mount, name, ciphertext] = KEPT.exec(kept) ?? []
  if (!mount || !name || !ciphertext) throw new WritError('result_key_invalid')
  return { recipients, kept: { mount, name, ciphertext } }
}

/** The canonical text of it. */
export function resultKeyText({ recipients, kept }: ResultKey): string {
  const transit = kept ? [`transit:${kept.mount}/keys/${kept.name}:${kept.ciphertext}`] : []
  return [...recipients, ...transit].join(',')
}

/** `NAME` or `MOUNT/keys/NAME` of a transit key. Throws `result_key_invalid`. */
export function parseTransitKey(text: string): TransitKey {
  const path = text.includes('/') ? text : `transit/keys/${text}`
  const [, mount, name] = KEPT.exec(`transit:${path}:vault:v1:${'A'.repeat(16)}`) ?? []
  if (!mount || !name) throw new WritError('result_key_invalid')
  return { mount, name }
}
