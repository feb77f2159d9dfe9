import { constants, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { refuse } from '../../errors.ts'
import type { Digest } from './digests.ts'
import { signDigest, verifyDigest } from './ecdsa-digest.ts'
import type { TransitKey } from './key.ts'
import { signPkcs1, signPss, verifyPkcs1, verifyPss } from './rsa-digest.ts'

/** How a signature is made. */
export interface Manner {
  readonly hash: Digest
  /** The input is the digest itself. */
  readonly prehashed: boolean
  /** Of RSA. */
  readonly padding: 'pss' | 'pkcs1v15'
  /** Of ECDSA: DER in base64, or raw r ‖ s in base64url. */
  readonly marshaling: 'asn1' | 'jws'
}

const PSS = constants.RSA_PKCS1_PSS_PADDING

/** The signature, as bytes. @throws VaultError */
export function makeSignature(key: TransitKey, privateKey: KeyObject, input: Buffer, manner: Manner): Buffer {
  checkDigest(key, input, manner)
  const { hash, prehashed } = manner
  if (key.type.family === 'ed25519') return sign(null, input, privateKey)
  if (key.type.family === 'ecdsa') {
    const raw = prehashed
      ? signDigest(key.type, privateKey, input)
      : sign(hash.name, input, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return manner.marshaling === 'jws' ? raw : toDer(raw)
  }
  if (manner.padding === 'pkcs1v15') {
    return prehashed ? signPkcs1(privateKey, hash, input) : sign(hash.name, input, privateKey)
  }
  if (prehashed) return signPss(privateKey, hash, input)
  return sign(hash.name, input, { key: privateKey, padding: PSS, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN })
}

/** Is it a signature of the input? @throws VaultError */
export function checkSignature(
  key: TransitKey,
  privateKey: KeyObject,
  input: Buffer,
  signature: Buffer,
  manner: Manner,
): boolean {
  checkDigest(key, input, manner)
  const publicKey = createPublicKey(privateKey)
  const { hash, prehashed } = manner
  if (key.type.family === 'ed25519') return verify(null, input, publicKey, signature)
  if (key.type.family === 'ecdsa') {
    const raw = manner.marshaling === 'jws' ? signature : fromDer(signature, key.type.bits)
    if (!raw) return false
    if (prehashed) return verifyDigest(key.type, publicKey, input, raw)
    return verify(hash.name, input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw)
  }
  if (manner.padding === 'pkcs1v15') {
    return prehashed ? verifyPkcs1(publicKey, hash, input, signature) : verify(hash.name, input, publicKey, signature)
  }
  if (prehashed) return verifyPss(publicKey, hash, input, signature)
  return verify(
    hash.name,
    input,
    { key: publicKey, padding: PSS, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
    signature,
  )
}

function checkDigest(key: TransitKey, input: Buffer, { hash, prehashed }: Manner): void {
  if (prehashed && key.type.family !== 'ed25519' && input.length !== hash.bytes) {
    throw refuse(400, `input is ${input.length} bytes long and no digest of the hash algorithm`)
  }
}

/** r ‖ s as SEQUENCE { INTEGER r, INTEGER s } */
function toDer(raw: Buffer): Buffer {
  const half = raw.length / 2
  const body = Buffer.concat([raw.subarray(0, half), raw.subarray(half)].map(derInteger))
  return Buffer.concat([Buffer.of(0x30), derLength(body.length), body])
}

function derInteger(bytes: Buffer): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  const positive = (digits[0] as number) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits])
  return Buffer.concat([Buffer.of(2), derLength(positive.length), positive])
}

function derLength(length: number): Buffer {
  return length < 0x80 ? Buffer.of(length) : Buffer.of(0x81, length)
}

function fromDer(der: Buffer, bits: number): Buffer | undefined {
  const width = Math.ceil(bits / 8)
  let at = der[1] === 0x81 ? 3 : 2
  const parts: Buffer[] = []
  for (let i = 0; i < 2; i++) {
    const length = der[at + 1] ?? 0
    const digits = der.subarray(at + 2, at + 2 + length)
    if (der[at] !== 2 || length === 0 || digits.length !== length) return undefined
    const plain = digits[0] === 0 ? digits.subarray(1) : digits
    if (plain.length > width) return undefined
    parts.push(Buffer.alloc(width - plain.length), plain)
    at += 2 + length
  }
  const raw = Buffer.concat(parts)
  // Only the one right encoding: trailing bytes and odd lengths would make two signatures of one.
  return toDer(raw).equals(der) ? raw : undefined
}
