import { constants, createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findDigest } from './digests.ts'
import { signPkcs1, signPss, verifyPkcs1, verifyPss } from './rsa-digest.ts'

const MESSAGE = Buffer.from('a message')
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }

describe.each([2048, 2056])('RSA of %d bits', modulusLength => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })

  it.each(['sha2-224', 'sha2-256', 'sha2-384', 'sha2-512'])('agrees with OpenSSL about %s', algorithm => {
    const hash = findDigest(algorithm) ?? expect.unreachable()
    const digest = createHash(hash.name).update(MESSAGE).digest()
    const another = createHash(hash.name).update('another').digest()
    expect(signPkcs1(privateKey, hash, digest)).toEqual(sign(hash.name, MESSAGE, privateKey))
    expect(verify(hash.name, MESSAGE, { key: publicKey, ...PSS }, signPss(privateKey, hash, digest))).toBe(true)
    const theirs = sign(hash.name, MESSAGE, privateKey)
    expect(verifyPkcs1(publicKey, hash, digest, theirs)).toBe(true)
    expect(verifyPkcs1(publicKey, hash, another, theirs)).toBe(false)
    for (const saltLength of [hash.bytes, constants.RSA_PSS_SALTLEN_MAX_SIGN, 0]) {
      const pss = sign(hash.name, MESSAGE, { key: privateKey, padding: PSS.padding, saltLength })
      expect(verifyPss(publicKey, hash, digest, pss)).toBe(true)
      expect(verifyPss(publicKey, hash, another, pss)).toBe(false)
    }
  })

  it('refuses what is no signature', () => {
    const hash = findDigest('sha2-256') ?? expect.unreachable()
    const digest = Buffer.alloc(32)
    for (const noise of [Buffer.alloc(0), Buffer.alloc(modulusLength / 8, 1), Buffer.alloc(modulusLength / 8, 0xff)]) {
      expect(verifyPss(publicKey, hash, digest, noise)).toBe(false)
      expect(verifyPkcs1(publicKey, hash, digest, noise)).toBe(false)
    }
  })
})
