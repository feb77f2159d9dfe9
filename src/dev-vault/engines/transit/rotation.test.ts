import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Clock } from '../../clock.ts'
import { Fields } from '../../fields.ts'
import { decrypt, encrypt } from './cipher.ts'
import { Keyring } from './keyring.ts'

/** Encrypt a text, rotate the key, or forbid the oldest version that is still allowed. */
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 150 }) },
  { weight: 1, arbitrary: fc.constantFrom('rotate' as const, 'forbid' as const) },
)

it.each([
  ['aes128-gcm96', {}, 60],
  ['aes256-gcm96', {}, 60],
  ['aes256-gcm96', { derived: true }, 60],
  ['aes256-gcm96', { derived: true, convergent_encryption: true }, 60],
  ['chacha20-poly1305', {}, 60],
  ['chacha20-poly1305', { derived: true, convergent_encryption: true }, 60],
  ['rsa-2048', {}, 4],
  ['rsa-3072', {}, 2],
  ['rsa-4096', {}, 1],
])(
  '%s %j: whatever was encrypted since the oldest version that is allowed comes back, and nothing older',
  {
    timeout: 60_000,
  },
  async (type, fields, numRuns) => {
    const context = Buffer.from('context')
    const operations = fc.array(operation, { minLength: 10, maxLength: type.startsWith('rsa') ? 12 : 40 })
    await fc.assert(
      fc.asyncProperty(operations, async steps => {
        const keys = new Keyring(new Clock())
        const key = await keys.open('k', new Fields({ type, ...fields }))
        const made: { text: Buffer; ciphertext: string; version: number }[] = []
        const encryptAll = (text: Buffer) => {
          for (let version = key.minDecryption; version <= key.latest; version++)
            made.push({ text, version, ciphertext: encrypt(key, text, context, version).ciphertext })
        }
        for (const step of steps) {
          if (step === 'rotate') await keys.rotate(key)
          else if (step === 'forbid') key.minDecryption = Math.min(key.minDecryption + 1, key.latest)
          else encryptAll(Buffer.from(step))
        }
        await keys.rotate(key)
        encryptAll(Buffer.from('the last'))
        for (const { text, ciphertext, version } of made) {
          expect(ciphertext.startsWith(`vault:v${version}:`)).toBe(true)
          if (version >= key.minDecryption) expect(decrypt(key, ciphertext, context)).toEqual(text)
          else expect(() => decrypt(key, ciphertext, context)).toThrow(/too old/)
        }
      }),
      { numRuns },
    )
  },
)
