import {
  type CipherGCMTypes,
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { fail, refuse } from '../../errors.ts'
import { Base64Error, decodeBase64 } from '../../text/base64.ts'
import { type KeyVersion, keyBytes, nonceKey, type TransitKey, versionToEncrypt, versionToOpen } from './key.ts'

const NONCE = 12
const TAG = 16

/** What a text of transit begins with: `vault:v3:`. */
export const PREFIX = /^vault:v(\d+):/

/** Encrypts; answers the ciphertext in Vault's form and the version used. @throws VaultError */
export function encrypt(key: TransitKey, plaintext: Buffer, context: Buffer, wanted: number) {
  const { number, version } = versionToEncrypt(key, wanted)
  const bytes = key.type.family === 'rsa' ? rsaEncrypt(version, plaintext) : seal(key, version, plaintext, context)
  return { ciphertext: `vault:v${number}:${bytes.toString('base64')}`, version: number }
}

/** @throws VaultError */
export function decrypt(key: TransitKey, ciphertext: string, context: Buffer): Buffer {
  const prefix = PREFIX.exec(ciphertext)
  if (!prefix) throw refuse(400, 'invalid ciphertext: no prefix')
  const version = versionToOpen(key, Number(prefix[1]), 'ciphertext')
  const bytes = ciphertextBytes(ciphertext.slice(prefix[0].length))
  return key.type.family === 'rsa' ? rsaDecrypt(version, bytes) : open(key, version, bytes, context)
}

function ciphertextBytes(text: string): Buffer {
  try {
    return decodeBase64(text)
  } catch (error) {
    if (error instanceof Base64Error) throw refuse(400, 'invalid ciphertext: could not decode base64')
    throw error
  }
}

function algorithm(key: TransitKey): CipherGCMTypes {
  return key.type.family === 'chacha'
    ? ('chacha20-poly1305' as CipherGCMTypes)
    : (`aes-${key.type.bits}-gcm` as CipherGCMTypes)
}

/** nonce ‖ ciphertext ‖ tag */
function seal(key: TransitKey, version: KeyVersion, plaintext: Buffer, context: Buffer): Buffer {
  // Convergent: equal plaintexts get equal nonces, different ones different nonces, so a nonce is never used for two.
  const nonce = key.convergent
    ? createHmac('sha256', nonceKey(version, context)).update(plaintext).digest().subarray(0, NONCE)
    : randomBytes(NONCE)
  const cipher = createCipheriv(algorithm(key), keyBytes(key, version, context), nonce, { authTagLength: TAG })
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function open(key: TransitKey, version: KeyVersion, bytes: Buffer, context: Buffer): Buffer {
  if (bytes.length < NONCE + TAG) throw refuse(400, 'invalid ciphertext length')
  const decipher = createDecipheriv(algorithm(key), keyBytes(key, version, context), bytes.subarray(0, NONCE), {
    authTagLength: TAG,
  })
  decipher.setAuthTag(bytes.subarray(-TAG))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()])
  } catch {
    const who = key.type.family === 'chacha' ? 'chacha20poly1305' : 'cipher'
    throw fail(400, `${who}: message authentication failed`)
  }
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }

function rsaEncrypt(version: KeyVersion, plaintext: Buffer): Buffer {
  try {
    return publicEncrypt({ key: version.secret as KeyObject, ...OAEP }, plaintext)
  } catch {
    throw fail(400, 'failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA public key size')
  }
}

function rsaDecrypt(version: KeyVersion, bytes: Buffer): Buffer {
  try {
    return privateDecrypt({ key: version.secret as KeyObject, ...OAEP }, bytes)
  } catch {
    throw fail(400, 'failed to RSA decrypt the ciphertext: crypto/rsa: decryption error')
  }
}
