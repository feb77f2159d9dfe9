import { constants, createHash, type KeyObject, privateEncrypt, publicDecrypt, randomBytes } from 'node:crypto'
import type { Digest } from './digests.ts'

/** RSA signatures (RFC 8017, 8 and 9) of a digest that the client has made: Node can only sign what it hashes itself. */

const { RSA_PKCS1_PADDING, RSA_NO_PADDING } = constants

export function signPkcs1(privateKey: KeyObject, { info }: Digest, digest: Buffer): Buffer {
  return privateEncrypt({ key: privateKey, padding: RSA_PKCS1_PADDING }, Buffer.concat([info, digest]))
}

export function verifyPkcs1(publicKey: KeyObject, { info }: Digest, digest: Buffer, signature: Buffer): boolean {
  const opened = tryOpen(publicKey, RSA_PKCS1_PADDING, signature)
  return opened?.equals(Buffer.concat([info, digest])) ?? false
}

/** With a salt as long as fits, as Go signs when it is not told otherwise. */
export function signPss(privateKey: KeyObject, hash: Digest, digest: Buffer): Buffer {
  const { length, bits } = encodedSize(privateKey)
  const salt = randomBytes(length - hash.bytes - 2)
  const h = saltedHash(hash, digest, salt)
  const block = Buffer.concat([Buffer.alloc(length - salt.length - hash.bytes - 2), Buffer.of(1), salt])
  const masked = xor(block, mask(hash, h, block.length))
  masked[0] = (masked[0] as number) & (0xff >> (8 * length - bits))
  const encoded = Buffer.concat([masked, h, Buffer.of(0xbc)])
  return privateEncrypt({ key: privateKey, padding: RSA_NO_PADDING }, pad(encoded, privateKey))
}

export function verifyPss(publicKey: KeyObject, hash: Digest, digest: Buffer, signature: Buffer): boolean {
  const { length, bits } = encodedSize(publicKey)
  const opened = tryOpen(publicKey, RSA_NO_PADDING, signature)
  const encoded = opened?.subarray(opened.length - length)
  if (encoded?.at(-1) !== 0xbc) return false
  const h = encoded.subarray(length - hash.bytes - 1, length - 1)
  const masked = encoded.subarray(0, length - hash.bytes - 1)
  const block = xor(masked, mask(hash, h, masked.length))
  block[0] = (block[0] as number) & (0xff >> (8 * length - bits))
  const one = block.findIndex(byte => byte !== 0)
  return block[one] === 1 && saltedHash(hash, digest, block.subarray(one + 1)).equals(h)
}

function encodedSize(key: KeyObject): { length: number; bits: number } {
  const bits = (key.asymmetricKeyDetails?.modulusLength ?? 0) - 1
  return { length: Math.ceil(bits / 8), bits }
}

/** RSA without padding wants as many bytes as the modulus has. */
function pad(encoded: Buffer, key: KeyObject): Buffer {
  const length = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  return Buffer.concat([Buffer.alloc(length - encoded.length), encoded])
}

function saltedHash({ name }: Digest, digest: Buffer, salt: Buffer): Buffer {
  return createHash(name).update(Buffer.alloc(8)).update(digest).update(salt).digest()
}

/** MGF1 */
function mask({ name }: Digest, seed: Buffer, length: number): Buffer {
  const parts: Buffer[] = []
  for (let counter = 0, size = 0; size < length; counter++) {
    const index = Buffer.alloc(4)
    index.writeUInt32BE(counter)
    const part = createHash(name).update(seed).update(index).digest()
    parts.push(part)
    size += part.length
  }
  return Buffer.concat(parts).subarray(0, length)
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)))
}

function tryOpen(publicKey: KeyObject, padding: number, signature: Buffer): Buffer | undefined {
  try {
    return publicDecrypt({ key: publicKey, padding }, signature)
  } catch {
    return undefined
  }
}
