import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Clock } from '../../clock.ts'
import { Fields } from '../../fields.ts'
import { decrypt, encrypt } from './cipher.ts'
import type { TransitKey } from './key.ts'
import { Keyring } from './keyring.ts'

const NO_CONTEXT = Buffer.alloc(0)

async function makeKey(fields: Record<string, unknown>): Promise<TransitKey> {
  const keys = new Keyring(new Clock())
  const key = await keys.open('k', new Fields(fields))
  await keys.rotate(key)
  return key
}

describe.each([
  ['aes128-gcm96', { type: 'aes128-gcm96' }, 5000],
  ['aes256-gcm96', {}, 5000],
  ['chacha20-poly1305', { type: 'chacha20-poly1305' }, 5000],
  ['derived', { derived: true }, 5000],
  ['convergent', { derived: true, convergent_encryption: true }, 5000],
  ['convergent chacha20', { derived: true, convergent_encryption: true, type: 'chacha20-poly1305' }, 5000],
  ['rsa-2048', { type: 'rsa-2048' }, 190],
])('%s', (_, fields, maxLength) => {
  it('decrypts what it has encrypted, with either version', async () => {
    const key = await makeKey(fields)
    const runs = { numRuns: key.type.family === 'rsa' ? 20 : 200 }
    const bytes = fc.uint8Array({ maxLength })
    fc.assert(
      fc.property(bytes, fc.uint8Array({ minLength: 1 }), fc.constantFrom(0, 1, 2), (plaintext, context, wanted) => {
        const { ciphertext, version } = encrypt(key, Buffer.from(plaintext), Buffer.from(context), wanted)
        expect(version).toBe(wanted || 2)
        expect(decrypt(key, ciphertext, Buffer.from(context))).toEqual(Buffer.from(plaintext))
      }),
      runs,
    )
  })

  it('notices a changed byte', async () => {
    const key = await makeKey(fields)
    const { ciphertext } = encrypt(key, Buffer.from('a secret'), NO_CONTEXT, 0)
    const bytes = Buffer.from(ciphertext.slice('vault:v2:'.length), 'base64')
    for (const at of [0, 12, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 1
      expect(() => decrypt(key, `vault:v2:${changed.toString('base64')}`, NO_CONTEXT)).toThrow()
    }
  })
})

it('a convergent key is deterministic, and only for one context and version', async () => {
  const key = await makeKey({ derived: true, convergent_encryption: true })
  const one = (context: string, version: number) =>
    encrypt(key, Buffer.from('p'), Buffer.from(context), version).ciphertext
  expect(one('a', 1)).toBe(one('a', 1))
  expect(new Set([one('a', 1), one('b', 1), one('a', 2)].map(text => text.slice(9))).size).toBe(3)
})
