import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../../test/dev-vault.ts'
import { loadPolicies } from '../../server/gate/policies/load.ts'
import type { Secret } from '../../vault/secret.ts'
import { createWrappedToken, revokeAccessor } from '../../vault/token.ts'
import { applySetup } from './apply.ts'
import { gatePlan } from './plan.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/mounts/old', { type: 'kv', options: { version: '1' } })
  await stack.write('sys/mounts/team/kv', { type: 'kv', options: { version: '2' } })
})
afterAll(() => stack.close())

/** A token with nothing but the policies of the plan. */
async function gateToken(path: string): Promise<Secret> {
  await applySetup(stack.vault, stack.root, gatePlan(path))
  return await stack.token({ policies: ['writ-gate', 'default'], ttl: '1h' })
}
const policy = { policies: ['default'] }

describe.each([
  ['old/gatekeeper', 'old/gatekeeper', (document: object) => document, 'old'],
  ['secret/gatekeeper', 'secret/data/gatekeeper', (document: object) => ({ data: document }), 'secret/data'],
  ['team/kv/data/gatekeeper', 'team/kv/data/gatekeeper', (document: object) => ({ data: document }), 'team/kv/data'],
])('policies at %s', (path, at, body, mount) => {
  test('are read, with what is below them, however deep, and nothing beside them is', async () => {
    const token = await gateToken(path)
    await stack.write(at, body({ a: policy }))
    await stack.write(`${at}/one`, body({ b: policy }))
    await stack.write(`${at}/deep/er/two`, body({ c: policy }))
    await stack.write(`${mount}/gatekeeper-other`, body({ secret: 'canary' }))
    const read = (below: string) =>
      loadPolicies(stack.vault, token, { path: below, nested: true, lastWins: true, renewable: true })
    expect([...(await read(path)).entries.keys()].sort()).toEqual(['a', 'b', 'c'])
    const beside = `${mount}/gatekeeper-other`
    await expect(stack.vault.send({ method: 'GET', path: beside, token })).rejects.toMatchObject({ kind: 'denied' })
    const above = `${mount.replace(/data$/, 'metadata')}/`
    await expect(stack.vault.send({ method: 'LIST', path: above, token })).rejects.toMatchObject({ kind: 'denied' })
    const write = { method: 'POST', path: `${at}/one`, token, body: body({ '*': policy }) } as const
    await expect(stack.vault.send(write)).rejects.toMatchObject({ kind: 'denied' })
  })
})

test('tokens of tasks are made, and revoked again by their accessor', async () => {
  const token = await gateToken('secret/gatekeeper')
  const wanted = { policies: ['anything'], no_parent: true }
  const { wrappedAccessor } = await createWrappedToken(stack.vault, token, wanted, 60)
  expect(wrappedAccessor).not.toBe('')
  await revokeAccessor(stack.vault, token, wrappedAccessor)
  const lookup = stack.write('auth/token/lookup-accessor', { accessor: wrappedAccessor })
  await expect(lookup).rejects.toMatchObject({ kind: 'invalid' })
})
