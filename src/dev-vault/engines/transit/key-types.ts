/** What a type of key is and can do. */
export interface KeyType {
  readonly name: string
  readonly family: 'aes' | 'chacha' | 'ed25519' | 'ecdsa' | 'rsa'
  /** Bits of a symmetric or RSA key. */
  readonly bits: number
  /** The curve, as OpenSSL and as Go call it. */
  readonly curve?: { readonly openssl: string; readonly name: string }
  readonly encrypts: boolean
  readonly signs: boolean
  readonly derives: boolean
}

const symmetric = { encrypts: true, signs: false, derives: true }
const signing = { encrypts: false, signs: true, derives: false }
const rsa = { encrypts: true, signs: true, derives: false }

const TYPES: readonly KeyType[] = [
  { name: 'aes256-gcm96', family: 'aes', bits: 256, ...symmetric },
  { name: 'aes128-gcm96', family: 'aes', bits: 128, ...symmetric },
  { name: 'chacha20-poly1305', family: 'chacha', bits: 256, ...symmetric },
  { name: 'ed25519', family: 'ed25519', bits: 256, ...signing, derives: true },
  { name: 'ecdsa-p256', family: 'ecdsa', bits: 256, curve: { openssl: 'prime256v1', name: 'P-256' }, ...signing },
  { name: 'ecdsa-p384', family: 'ecdsa', bits: 384, curve: { openssl: 'secp384r1', name: 'P-384' }, ...signing },
  { name: 'ecdsa-p521', family: 'ecdsa', bits: 521, curve: { openssl: 'secp521r1', name: 'P-521' }, ...signing },
  { name: 'rsa-2048', family: 'rsa', bits: 2048, ...rsa },
  { name: 'rsa-3072', family: 'rsa', bits: 3072, ...rsa },
  { name: 'rsa-4096', family: 'rsa', bits: 4096, ...rsa },
]

export const DEFAULT_TYPE = 'aes256-gcm96'

export function keyType(name: string): KeyType | undefined {
  return TYPES.find(type => type.name === name)
}
