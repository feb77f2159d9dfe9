import { createHash } from 'node:crypto'

/** A hash function: OpenSSL's name for it, and the head of its DigestInfo in PKCS#1 (RFC 8017, 9.2, notes). */
export interface Digest {
  readonly name: string
  readonly bytes: number
  readonly info: Buffer
}

const digest = (name: string, bytes: number, info: string): Digest => ({ name, bytes, info: Buffer.from(info, 'hex') })

/** By Vault's names. */
const DIGESTS: Readonly<Record<string, Digest>> = {
  'sha2-224': digest('sha224', 28, '302d300d06096086480165030402040500041c'),
  'sha2-256': digest('sha256', 32, '3031300d060960864801650304020105000420'),
  'sha2-384': digest('sha384', 48, '3041300d060960864801650304020205000430'),
  'sha2-512': digest('sha512', 64, '3051300d060960864801650304020305000440'),
}

export function findDigest(algorithm: string): Digest | undefined {
  return Object.hasOwn(DIGESTS, algorithm) ? DIGESTS[algorithm] : undefined
}

export function digestOf({ name }: Digest, input: Buffer): Buffer {
  return createHash(name).update(input).digest()
}
