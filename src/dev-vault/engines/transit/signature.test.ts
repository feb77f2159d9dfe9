import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Clock } from '../../clock.ts'
import { Fields } from '../../fields.ts'
import { digestOf, findDigest } from './digests.ts'
import { signingKey } from './key.ts'
import { Keyring } from './keyring.ts'
import { checkSignature, type Manner, makeSignature } from './signature.ts'

const hash = findDigest('sha2-256') ?? expect.unreachable()
const manner: Manner = { hash, prehashed: false, padding: 'pss', marshaling: 'asn1' }

async function signer(type: string) {
  const key = await new Keyring(new Clock()).open('k', new Fields({ type }))
  const version = key.versions.get(1) ?? expect.unreachable()
  return { key, secret: signingKey(key, version, Buffer.alloc(0)) }
}

describe.each([
  ['ed25519', {}],
  ['ecdsa-p256', {}],
  ['ecdsa-p384', { marshaling: 'jws' }],
  ['ecdsa-p521', {}],
  ['rsa-2048', {}],
  ['rsa-2048', { padding: 'pkcs1v15' }],
] as [string, Partial<Manner>][])('%s %j', (type, change) => {
  it('accepts its own signatures of any input, and no others', async () => {
    const { key, secret } = await signer(type)
    const how = { ...manner, ...change }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, at) => {
        const input = Buffer.from(bytes)
        const signature = makeSignature(key, secret, input, how)
        expect(checkSignature(key, secret, input, signature, how)).toBe(true)
        expect(checkSignature(key, secret, Buffer.concat([input, Buffer.of(1)]), signature, how)).toBe(false)
        const changed = Buffer.from(signature)
        const place = at % changed.length
        changed[place] = (changed[place] as number) ^ 1
        expect(checkSignature(key, secret, input, changed, how)).toBe(false)
      }),
      { numRuns: 25 },
    )
  })

  it('signs a digest as it signs what was hashed', async () => {
    const { key, secret } = await signer(type)
    if (key.type.family === 'ed25519') return
    const how = { ...manner, ...change }
    const prehashed = { ...how, prehashed: true }
    const input = Buffer.from('input')
    const digest = digestOf(hash, input)
    expect(checkSignature(key, secret, input, makeSignature(key, secret, digest, prehashed), how)).toBe(true)
    expect(checkSignature(key, secret, digest, makeSignature(key, secret, input, how), prehashed)).toBe(true)
    expect(() => makeSignature(key, secret, input, prehashed)).toThrow(/no digest/)
  })
})
