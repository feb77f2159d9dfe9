import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { capabilities, isCapable } from './capabilities.ts'
import { Secret } from './secret.ts'

let stack: TestVault
let token: Secret
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/policies/acl/reader', {
    policy:
      'path "writ/queues/a" { capabilities = ["read", "delete"] }\npath "writ/queues/no" { capabilities = ["deny"] }',
  })
  token = await stack.token({ policies: ['reader', 'default'] })
})
afterAll(() => stack.close())

test('each path by itself, in the order asked for, whether it exists or not', async () => {
  const paths = ['writ/queues/b', 'writ/queues/a', 'writ/queues/no', 'writ/queues/a']
  const [b, a, no, again] = await capabilities(stack.vault, token, paths)
  expect(a?.toSorted()).toEqual(['delete', 'read'])
  expect([b, no]).toEqual([['deny'], ['deny']])
  expect(again).toEqual(a)
})

test('nothing asked, nobody asked', async () => {
  stack.dev.seal()
  try {
    expect(await capabilities(stack.vault, token, [])).toEqual([])
  } finally {
    stack.dev.unseal()
  }
})

test('may it, or not', async () => {
  expect(await isCapable(stack.vault, token, 'writ/queues/a', 'read')).toBe(true)
  expect(await isCapable(stack.vault, token, 'writ/queues/a', 'update')).toBe(false)
  expect(await isCapable(stack.vault, token, 'writ/queues/a/b', 'read')).toBe(false)
  expect(await isCapable(stack.vault, token, 'writ/queues/no', 'read')).toBe(false)
  expect(await isCapable(stack.vault, stack.root, 'writ/queues/b', 'delete')).toBe(true)
})

test('a Vault that cannot be asked, or does not know the token, never means yes', async () => {
  const unknown = new Secret('s.unknown')
  await expect(isCapable(stack.vault, unknown, 'writ/queues/a', 'read')).rejects.toMatchObject({ kind: 'denied' })
  stack.dev.seal()
  try {
    await expect(isCapable(stack.vault, token, 'writ/queues/a', 'read')).rejects.toMatchObject({ kind: 'unavailable' })
  } finally {
    stack.dev.unseal()
  }
})
