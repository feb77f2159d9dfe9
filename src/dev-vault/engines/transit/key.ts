import { createPrivateKey, generateKeyPair, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { refuse } from '../../errors.ts'
import type { KeyType } from './key-types.ts'

/** One version of a key: bytes of a symmetric key, or a private key. */
export interface KeyVersion {
  readonly createdAt: number
  readonly secret: Buffer | KeyObject
  readonly hmacKey: Buffer
}

/** A named key with its versions. */
export interface TransitKey {
  readonly name: string
  readonly type: KeyType
  readonly derived: boolean
  readonly convergent: boolean
  readonly versions: Map<number, KeyVersion>
  latest: number
  minDecryption: number
  /** 0 is "the latest or any". */
  minEncryption: number
  minAvailable: number
  exportable: boolean
  plaintextBackup: boolean
  deletionAllowed: boolean
}

const generate = promisify(generateKeyPair) as (type: string, options: object) => Promise<{ privateKey: KeyObject }>

async function newSecret(type: KeyType): Promise<Buffer | KeyObject> {
  // Off the event loop: an RSA key takes up to seconds.
  if (type.family === 'rsa') return (await generate('rsa', { modulusLength: type.bits })).privateKey
  if (type.family === 'ecdsa') return (await generate('ec', { namedCurve: type.curve?.openssl })).privateKey
  // The seed: derived keys are seeds too, and exports show it.
  return randomBytes(type.bits / 8)
}

export async function newVersion(type: KeyType, now: number): Promise<KeyVersion> {
  return { createdAt: now, secret: await newSecret(type), hmacKey: randomBytes(32) }
}

/** The version to work with; 0 asks for the latest. @throws VaultError */
export function versionToEncrypt(key: TransitKey, wanted: number): { number: number; version: KeyVersion } {
  const number = wanted || key.latest
  const version = key.versions.get(number)
  if (number > key.latest) throw refuse(400, 'requested version for encryption is higher than the latest key version')
  if (!version || number < key.minEncryption) {
    throw refuse(400, 'requested version for encryption is less than the minimum encryption key version')
  }
  return { number, version }
}

/** @throws VaultError */
export function versionToOpen(key: TransitKey, number: number, what: 'ciphertext' | 'signature' | 'HMAC'): KeyVersion {
  if (number > key.latest) throw refuse(400, `invalid ${what}: version is too new`)
  const version = key.versions.get(number)
  if (!version || number < key.minDecryption) {
    throw refuse(400, 'ciphertext or signature version is disallowed by policy (too old)')
  }
  return version
}

/** The bytes of a symmetric key or the seed of an ed25519 key, by context when the key is derived. */
export function keyBytes(key: TransitKey, version: KeyVersion, context: Buffer): Buffer {
  const secret = version.secret as Buffer
  if (!key.derived) return secret
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), context, secret.length))
}

/** The key under which a convergent cipher chooses its nonces; never the key that encrypts. */
export function nonceKey(version: KeyVersion, context: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', version.hmacKey, Buffer.alloc(0), context, 32))
}

/** The fixed head of an ed25519 private key in PKCS#8, before its seed (RFC 8410, 7). */
const ED25519_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The key that signs. */
export function signingKey(key: TransitKey, version: KeyVersion, context: Buffer): KeyObject {
  if (key.type.family !== 'ed25519') return version.secret as KeyObject
  const der = Buffer.concat([ED25519_HEAD, keyBytes(key, version, context)])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}
