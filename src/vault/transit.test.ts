import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { Vault } from './client.ts'
import { decrypt, encrypt } from './transit.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/mounts/transit', { type: 'transit' })
  for (const key of ['one', 'two']) await stack.write(`transit/keys/${key}`, {})
})
afterAll(() => stack.close())

test.each([0, 1, 2, 5])('%i texts there and back, in order', async count => {
  const plain = Array.from({ length: count }, (_, n) => randomBytes(n * 100))
  const sealed = await encrypt(stack.vault, stack.root, 'one', plain)
  expect(sealed.every(text => text.startsWith('vault:v1:'))).toBe(true)
  expect(await decrypt(stack.vault, stack.root, 'one', sealed)).toEqual(plain)
})

test('16 MB', async () => {
  const plain = randomBytes(16 * 1024 * 1024)
  const [back] = await decrypt(stack.vault, stack.root, 'one', await encrypt(stack.vault, stack.root, 'one', [plain]))
  expect(back?.equals(plain)).toBe(true)
})

test('the wrong key, a changed text, something else: an error, alone as among others', async () => {
  const [good = '', other = ''] = await encrypt(stack.vault, stack.root, 'one', [Buffer.from('a'), Buffer.from('b')])
  for (const [key, bad] of [
    ['two', good],
    ['one', `${good.slice(0, -6)}AAAA==`],
    ['one', 'vault:v9:AAAA'],
    ['one', 'garbage'],
    ['one', ''],
  ] as const) {
    await expect(decrypt(stack.vault, stack.root, key, [bad])).rejects.toMatchObject({ name: 'VaultError' })
    await expect(decrypt(stack.vault, stack.root, key, [bad, other])).rejects.toMatchObject({ name: 'VaultError' })
    await expect(decrypt(stack.vault, stack.root, key, [other, bad])).rejects.toMatchObject({ name: 'VaultError' })
  }
})

test('a key that one may not use, and none at all', async () => {
  const weak = await stack.token({ policies: ['default'] })
  await expect(encrypt(stack.vault, weak, 'one', [Buffer.from('a')])).rejects.toMatchObject({ kind: 'denied' })
  await expect(decrypt(stack.vault, stack.root, 'none', ['vault:v1:AAAA'])).rejects.toMatchObject({ kind: 'invalid' })
})

test.each([
  [{}],
  [{ data: {} }],
  [{ data: { plaintext: 7, ciphertext: null } }],
  [{ data: { batch_results: [] } }],
  [{ data: { batch_results: [{ plaintext: 'AA==', ciphertext: 'c' }] } }],
  [{ data: { batch_results: [{ plaintext: 'AA==', ciphertext: 'c' }, { error: 'no' }] } }],
  [{ data: { batch_results: [null, 7] } }],
])('an answer that is not what was asked for: %j', async body => {
  const fake = await FakeServer.listen(response => json(response, 200, body))
  const vault = new Vault({ address: fake.address })
  for (const texts of [['c'], ['c', 'd']]) {
    const plain = texts.map(text => Buffer.from(text))
    await expect(decrypt(vault, stack.root, 'one', texts)).rejects.toMatchObject({ name: 'VaultError' })
    await expect(encrypt(vault, stack.root, 'one', plain)).rejects.toMatchObject({ name: 'VaultError' })
  }
  await vault.close()
  await fake.close()
})
