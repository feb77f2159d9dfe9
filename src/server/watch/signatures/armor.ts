export type ArmorKind = 'PGP SIGNATURE' | 'SSH SIGNATURE'

/** A signature that is not even looked at further; the message says why, for people. */
export class NotASignature extends Error {}

/** More than any signature has, as in a note. The attack: a commit of 100 MB of nothing else, which keeps the server from everything else. */
const LONGEST = 64 * 1024
const HEADER = /^[A-Za-z][A-Za-z-]{0,30}: [^\r\n]*$/

/**
 * The bytes of exactly one armoured signature, with nothing before or after it. Readers of armour differ in what they
 * skip, and what one skips another one may run; so nothing is skipped here.
 */
export function readArmor(text: string): { kind: ArmorKind; bytes: Buffer } {
  if (text.length > LONGEST) throw new NotASignature('it is too large')
  const lines = text
    .trimEnd()
    .split(/\r?\n/)
    .map(line => line.trimEnd())
  const kind = /^-----BEGIN (.*)-----$/.exec(lines[0] ?? '')?.[1]
  if (kind !== 'PGP SIGNATURE' && kind !== 'SSH SIGNATURE') throw new NotASignature('neither OpenPGP nor ssh')
  if (lines.pop() !== `-----END ${kind}-----`) throw new NotASignature('its end is missing, or more follows')
  lines.shift()
  if (kind === 'PGP SIGNATURE') {
    while (HEADER.test(lines[0] ?? '')) lines.shift()
    if (lines.shift() !== '') throw new NotASignature('malformed')
    if (/^=[A-Za-z0-9+/]{4}$/.test(lines.at(-1) ?? '')) lines.pop()
  }
  return { kind, bytes: readBase64(lines.join('')) }
}

/** Base64 with its padding. Node alone decodes what it can and skips the rest. */
export function readBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) throw new NotASignature('not base64')
  return bytes
}
