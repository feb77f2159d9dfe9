import { NotASignature } from './armor.ts'

const SIGNATURE = 2
const PUBLIC_KEY = 6
const PUBLIC_SUBKEY = 14
const KEY_REVOCATION = 0x20
const SUBKEY_REVOCATION = 0x28

export interface Revocations {
  readonly primary: boolean
  /** By their place among the subkeys. */
  readonly subkeys: ReadonlySet<number>
}

/**
 * Which keys of a file carry a revocation, whoever made it and whatever it says: one list per primary key, in order.
 * The OpenPGP library ignores revocations that it cannot verify (by a designated revoker, with an old hash, with a
 * subpacket that it does not know), and so would go on trusting the key.
 */
export function findRevocations(bytes: Uint8Array): Revocations[] {
  const found: { primary: boolean; subkeys: Set<number> }[] = []
  let subkey = -1
  for (const { tag, body } of packets(Buffer.from(bytes))) {
    if (tag === PUBLIC_KEY) {
      found.push({ primary: false, subkeys: new Set() })
      subkey = -1
    }
    if (tag === PUBLIC_SUBKEY) subkey += 1
    const key = found.at(-1)
    if (tag !== SIGNATURE || !key) continue
    const type = body[body[0] === 3 ? 2 : 1]
    if (type === KEY_REVOCATION) key.primary = true
    if (type === SUBKEY_REVOCATION) {
      if (subkey >= 0) key.subkeys.add(subkey)
      else key.primary = true
    }
  }
  return found
}

function* packets(bytes: Buffer): Generator<{ tag: number; body: Buffer }> {
  for (let at = 0; at < bytes.length; ) {
    const first = byte(bytes, at++)
    if ((first & 0x80) === 0) throw new NotASignature('malformed')
    const old = (first & 0x40) === 0
    const tag = old ? (first >> 2) & 0x0f : first & 0x3f
    let length: number
    if (old) {
      const size = [1, 2, 4][first & 3]
      if (size === undefined) throw new NotASignature('a packet without a length')
      if (at + size > bytes.length) throw new NotASignature('malformed')
      length = bytes.readUIntBE(at, size)
      at += size
    } else {
      const one = byte(bytes, at++)
      if (one < 192) length = one
      else if (one < 224) length = ((one - 192) << 8) + byte(bytes, at++) + 192
      else if (one === 255 && at + 4 <= bytes.length) {
        length = bytes.readUInt32BE(at)
        at += 4
      } else throw new NotASignature('a packet in pieces')
    }
    if (at + length > bytes.length) throw new NotASignature('malformed')
    yield { tag, body: bytes.subarray(at, at + length) }
    at += length
  }
}

function byte(bytes: Buffer, at: number): number {
  const value = bytes[at]
  if (value === undefined) throw new NotASignature('malformed')
  return value
}
