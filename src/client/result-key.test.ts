import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { encrypt } from '../vault/transit.ts'
import { keptIdentities, makeResultKey } from './result-key.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/mounts/transit', { type: 'transit' })
  await stack.write('sys/mounts/team/keep', { type: 'transit' })
  await stack.write('transit/keys/me', {})
  await stack.write('team/keep/keys/us', {})
})
afterAll(() => stack.close())

test.each(['me', 'transit/keys/me', 'team/keep/keys/us'])('by the key %s: made, and opened again', async name => {
  const resultKey = await makeResultKey(stack.vault, stack.root, name)
  const [recipient] = resultKey.split(',')
  expect(resultKey).not.toContain('AGE-SECRET-KEY')
  const [identity = '', ...more] = await keptIdentities(stack.vault, stack.root, resultKey)
  expect([await identityToRecipient(identity), more]).toEqual([recipient, []])
})

test('recipients without a transit key keep nothing', async () => {
  const recipient = await identityToRecipient(await generateX25519Identity())
  expect(await keptIdentities(stack.vault, stack.root, recipient)).toEqual([])
})

test('a server that has another ciphertext decrypted gets nothing said of what is in it', async () => {
  const recipient = await identityToRecipient(await generateX25519Identity())
  const another = await generateX25519Identity()
  for (const secret of ['the password of something else', another]) {
    const [ciphertext] = await encrypt(stack.vault, stack.root, 'me', [Buffer.from(secret)])
    const opening = keptIdentities(stack.vault, stack.root, `${recipient},transit:transit/keys/me:${ciphertext}`)
    const error = await opening.then(
      () => null,
      (thrown: Error) => thrown,
    )
    expect(error).toMatchObject({ code: 'result_key_invalid' })
    expect(`${error?.message} ${error?.stack} ${JSON.stringify(error)}`).not.toContain(secret)
  }
})

test('without power over the key nothing is opened', async () => {
  const resultKey = await makeResultKey(stack.vault, stack.root, 'me')
  const stranger = await stack.token({ policies: ['default'] })
  await expect(keptIdentities(stack.vault, stranger, resultKey)).rejects.toMatchObject({ status: 403 })
})
