import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signDigest, verifyDigest } from './ecdsa-digest.ts'
import { keyType } from './key-types.ts'

const MESSAGE = Buffer.from('a message')

describe.each(['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'])('%s', name => {
  const type = keyType(name) ?? expect.unreachable()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: type.curve?.openssl ?? '' })
  const other = generateKeyPairSync('ec', { namedCurve: type.curve?.openssl ?? '' })

  it.each(['sha224', 'sha256', 'sha512'])('agrees with OpenSSL about %s', hash => {
    const digest = createHash(hash).update(MESSAGE).digest()
    const theirs = sign(hash, MESSAGE, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(verifyDigest(type, publicKey, digest, theirs)).toBe(true)
    expect(verifyDigest(type, other.publicKey, digest, theirs)).toBe(false)
    expect(verifyDigest(type, publicKey, createHash(hash).update('another').digest(), theirs)).toBe(false)
    const ours = signDigest(type, privateKey, digest)
    expect(verify(hash, MESSAGE, { key: publicKey, dsaEncoding: 'ieee-p1363' }, ours)).toBe(true)
  })

  it('refuses what is no signature', () => {
    const digest = createHash('sha256').update(MESSAGE).digest()
    const length = signDigest(type, privateKey, digest).length
    expect(verifyDigest(type, publicKey, digest, Buffer.alloc(length))).toBe(false)
    expect(verifyDigest(type, publicKey, digest, Buffer.alloc(length, 0xff))).toBe(false)
    expect(verifyDigest(type, publicKey, digest, Buffer.alloc(length - 1, 1))).toBe(false)
  })
})
