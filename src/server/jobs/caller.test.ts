import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../../test/dev-vault.ts'
import { Secret } from '../../vault/secret.ts'
import { identifyCaller, queuePath, requirePower } from './caller.ts'

let t: TestVault
beforeAll(async () => {
  t = await startTestVault()
  await t.write('sys/policies/acl/queue', {
    policy: 'path "writ/queues/mine" { capabilities = ["read"] }\npath "writ/queues/a%2Fb" { capabilities = ["read"] }',
  })
})
afterAll(() => t.close())

const who = (token: Secret) => identifyCaller(t.vault, token)
const jobOf = async (token: Secret, qname = 'q') => {
  const { entity, accessorHash } = await who(token)
  return { qname, submitter_entity: entity, submitter_accessor_hash: accessorHash }
}

test('no token, a wrong one, Vault away', async () => {
  await expect(identifyCaller(t.vault, null)).rejects.toMatchObject({ code: 'token_missing' })
  for (const text of ['s.wrong', 'two\nlines', '']) {
    await expect(who(new Secret(text))).rejects.toMatchObject({ code: 'token_refused' })
  }
  t.dev.seal()
  await expect(who(t.root)).rejects.toMatchObject({ code: 'vault_unavailable' })
  t.dev.unseal()
})

test('what is kept of a caller cannot be used as its accessor', async () => {
  const token = await t.token({ policies: ['default'] })
  expect((await who(token)).accessorHash).toMatch(/^[0-9a-f]{64}$/)
})

test('the token that submitted a job owns it; another without an identity does not', async () => {
  const [mine, other] = [await t.token({ policies: ['default'] }), await t.token({ policies: ['default'] })]
  const job = await jobOf(mine)
  await requirePower(t.vault, await who(mine), job, 'delete')
  await expect(requirePower(t.vault, await who(other), job, 'read')).rejects.toMatchObject({ code: 'job_not_found' })
})

test('batch tokens have no accessor, and are strangers to each other all the same', async () => {
  const batch = async () => {
    const body = { type: 'batch', policies: ['default'], ttl: '1h' }
    const answer = await t.vault.send({ method: 'POST', path: 'auth/token/create', token: t.root, body })
    return answer?.auth?.token ?? expect.fail('no token')
  }
  const [mine, other] = [await batch(), await batch()]
  const job = await jobOf(mine)
  await requirePower(t.vault, await who(mine), job, 'read')
  await expect(requirePower(t.vault, await who(other), job, 'read')).rejects.toMatchObject({ code: 'job_not_found' })
})

test('a queue opens by policy, power by power, and its name is one segment', async () => {
  const reader = await who(await t.token({ policies: ['queue', 'default'] }))
  const stranger = { submitter_entity: 'e', submitter_accessor_hash: 'h' }
  await requirePower(t.vault, reader, { ...stranger, qname: 'mine' }, 'read')
  await requirePower(t.vault, reader, { ...stranger, qname: 'a/b' }, 'read')
  for (const [qname, power, code] of [
    ['mine', 'update', 'not_permitted'],
    ['mine/x', 'read', 'job_not_found'],
    ['a', 'read', 'job_not_found'],
    ['', 'read', 'job_not_found'],
  ] as const) {
    await expect(requirePower(t.vault, reader, { ...stranger, qname }, power)).rejects.toMatchObject({ code })
  }
  await expect(requirePower(t.vault, reader, undefined, 'read')).rejects.toMatchObject({ code: 'job_not_found' })
  expect(queuePath('a/../b')).toBe('writ/queues/a%2F..%2Fb')
  expect(['..', '*', 'a*', '+', ''].map(queuePath)).toEqual(
    ['%2E%2E', '%2A', 'a%2A', '%2B', ''].map(name => `writ/queues/${name}`),
  )
})
