import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../../../test/dev-vault.ts'
import { loadPolicies, type PolicySource } from './load.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/mounts/kv1', { type: 'kv', options: { version: '1' } })
  await stack.write('sys/mounts/deep/er', { type: 'kv', options: { version: '2' } })
  await stack.write('kv1/gatekeeper', { a: { policies: ['v1'] } })
  await stack.write('kv1/wrapped', { data: { 'mesos:*': { roles: ['r'] } } })
  await stack.write('secret/data/gatekeeper', { data: { a: { policies: ['v2'] } } })
  await stack.write('deep/er/data/gatekeeper', { data: { a: { policies: ['deep'] } } })
  for (const [kv, wrap] of [
    ['kv1/', (data: object) => data],
    ['secret/data/', (data: object) => ({ data })],
  ] as const) {
    await stack.write(`${kv}tree`, wrap({ '*': { policies: ['top'] }, x: { policies: ['top'] } }))
    await stack.write(`${kv}tree/foo/bar`, wrap({ foo: { policies: ['below'] }, x: { policies: ['below'] } }))
  }
})
afterAll(() => stack.close())

const source = (path: string, more: Partial<PolicySource> = {}): PolicySource => ({
  path,
  nested: false,
  lastWins: false,
  renewable: true,
  ...more,
})
const load = (path: string, more: Partial<PolicySource> = {}) =>
  loadPolicies(stack.vault, stack.root, source(path, more))

test.each([
  ['kv1/gatekeeper', 'v1'],
  ['kv1//gatekeeper/', 'v1'],
  ['/kv1/gatekeeper', 'v1'],
  ['secret/gatekeeper', 'v2'],
  ['secret/data/gatekeeper', 'v2'],
  ['deep/er/gatekeeper', 'deep'],
  ['deep/er/data/gatekeeper', 'deep'],
])('%s finds its document, whatever the version of its mount', async (path, policy) => {
  expect((await load(path)).entries.get('a')).toMatchObject({ policies: [policy] })
})

test("version 2's document in a version 1 mount", async () => {
  expect((await load('kv1/wrapped')).entries.get('mesos:*')).toMatchObject({ roles: ['r'] })
})

describe('nothing there is an error, never a permission', () => {
  test.each(['kv1/none', 'secret/none', 'secret/data/none', 'nowhere/at/all', 'kv1'])('%s', async path => {
    await expect(load(path)).rejects.toMatchObject({ code: 'policies_missing' })
    await expect(load(path, { nested: true })).rejects.toMatchObject({ code: 'policies_missing' })
  })
})

test.each(['kv1/tree', 'secret/tree', 'secret/data/tree'])('nested below %s, joined', async path => {
  const first = await load(path, { nested: true })
  expect(first.entries.get('foo')).toMatchObject({ policies: ['below'] })
  expect(first.entries.get('x')).toMatchObject({ policies: ['top'] })
  const last = await load(path, { nested: true, lastWins: true })
  expect(last.entries.get('*')).toMatchObject({ policies: ['top'] })
  expect(last.entries.get('x')).toMatchObject({ policies: ['below'] })
  expect([...(await load(path)).entries.keys()]).toEqual(['*', 'x'])
})

test('nested: folder by folder, the nearer first; what lies deeper does not take its place', async () => {
  await stack.write('kv1/wide/one/deep', { x: { policies: ['deep'] }, y: { policies: ['deep'] } })
  await stack.write('kv1/wide/two', { x: { policies: ['near'] } })
  const set = await load('kv1/wide', { nested: true })
  expect(set.entries.get('x')).toMatchObject({ policies: ['near'] })
  expect(set.entries.get('y')).toMatchObject({ policies: ['deep'] })
})

test('nested: one document that is no good spoils all', async () => {
  await stack.write('kv1/spoilt/good', { a: { policies: ['a'] } })
  await stack.write('kv1/spoilt/bad', { b: { policies: ['b'], ttl: '1h' } })
  await expect(load('kv1/spoilt', { nested: true })).rejects.toMatchObject({
    code: 'policies_invalid',
    message: expect.stringContaining('"b"."ttl"'),
  })
})

test('with no more than the right to read the very path', async () => {
  const policy = 'path "kv1/gatekeeper" { capabilities = ["read"] }'
  await stack.write('sys/policies/acl/reader', { policy })
  const token = await stack.token({ policies: ['reader'], ttl: '1h' })
  const set = await loadPolicies(stack.vault, token, source('kv1/gatekeeper'))
  expect(set.entries.get('a')).toMatchObject({ policies: ['v1'] })
  const other = loadPolicies(stack.vault, token, source('secret/gatekeeper'))
  await expect(other).rejects.toMatchObject({ kind: 'denied' })
})

test('Vault away is no answer', async () => {
  stack.dev.seal()
  await expect(load('kv1/gatekeeper')).rejects.toMatchObject({ kind: 'unavailable' })
  stack.dev.unseal()
})
