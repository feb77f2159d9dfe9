import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import type { JobSpec } from '../../protocol/job.ts'
import { createToken, lookupSelf, revokeAccessor } from '../../vault/token.ts'
import { checkVaultToken, giveToken, readVaultToken } from './vault-token.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
  await t.stack.write('sys/policies/acl/wide', {
    policy: 'path "secret/*" { capabilities = ["read"] }\npath "auth/token/create" { capabilities = ["update"] }',
  })
  await t.stack.write('sys/policies/acl/narrow', { policy: 'path "secret/data/one" { capabilities = ["read"] }' })
  await t.stack.write('sys/policies/acl/foreign', { policy: 'path "kv/*" { capabilities = ["read"] }' })
})
afterAll(() => t.close())

const code = (name: string) => expect.objectContaining({ code: name })
const hold = { id: 'a'.repeat(24), node: 'n', attempt: 1 }
const child = (...policies: string[]) => ({ kind: 'child', policies, uses: 0 }) as const
const own = (wanted = {}) =>
  createToken(t.stack.vault, t.stack.root, { policies: ['wide', 'narrow'], ttl: '10m', ...wanted })

test('what a job may ask for', () => {
  expect(readVaultToken({})).toEqual({ kind: 'inherit' })
  expect(readVaultToken({ vault_token: '' })).toEqual({ kind: 'inherit' })
  expect(readVaultToken({ vault_token: 'none' })).toEqual({ kind: 'none' })
  const spec: JobSpec = { vault_token: 'child', vault_token_policies: ['narrow'], vault_token_uses: 3 }
  expect(readVaultToken(spec)).toEqual({ kind: 'child', policies: ['narrow'], uses: 3 })
})

test('who names policies without asking for a child would believe that his token is narrow: refused', () => {
  const wrong: JobSpec[] = [
    { vault_token: 'child' },
    { vault_token_policies: ['narrow'] },
    { vault_token: 'none', vault_token_policies: ['narrow'] },
    { vault_token: 'inherit', vault_token_uses: 1 },
  ]
  for (const spec of wrong) expect(() => readVaultToken(spec)).toThrow(code('vault_token_invalid'))
})

test('a policy that the job does not have is refused at the door, and by Vault itself', async () => {
  const auth = await own()
  checkVaultToken(child('narrow'), auth)
  expect(() => checkVaultToken(child('narrow', 'foreign'), auth)).toThrow(code('vault_token_refused'))
  await expect(giveToken(t.engine, hold, child('foreign'), auth.token)).rejects.toThrow(code('vault_token_refused'))
})

test('a child can do what was named, nothing else, and ends with the job', async () => {
  const auth = await own()
  const token = await giveToken(t.engine, hold, child('narrow'), auth.token)
  if (!token) expect.fail('no token')
  const read = (path: string) => t.stack.vault.send({ method: 'GET', path, token })
  await t.stack.write('secret/data/one', { data: { k: 'v' } })
  await t.stack.write('secret/data/two', { data: { k: 'v' } })
  expect((await read('secret/data/one'))?.data).toMatchObject({ data: { k: 'v' } })
  await expect(read('secret/data/two')).rejects.toMatchObject({ kind: 'denied' })
  await expect(createToken(t.stack.vault, token, { policies: ['narrow'] })).rejects.toMatchObject({ kind: 'denied' })
  await revokeAccessor(t.stack.vault, t.stack.root, auth.accessor)
  await expect(read('secret/data/one')).rejects.toMatchObject({ kind: 'denied' })
  const rows = await t.engine.db.selectFrom('audit').select('entry').execute()
  expect(rows.map(({ entry }) => JSON.parse(entry))).toContainEqual(
    expect.objectContaining({ action: 'job.token_narrowed', detail: { policies: ['narrow'], uses: 0 } }),
  )
  expect(JSON.stringify(rows)).not.toContain(token.reveal())
})

test('a limit of uses holds', async () => {
  const limited = await giveToken(
    t.engine,
    hold,
    { ...child('default'), uses: 1 },
    (await own({ policies: ['wide', 'default'] })).token,
  )
  if (!limited) expect.fail('no token')
  await lookupSelf(t.stack.vault, limited)
  await expect(lookupSelf(t.stack.vault, limited)).rejects.toMatchObject({ kind: 'denied' })
})

test('a job that may not make tokens, or whose own has few uses: said so, not waited for', async () => {
  const weak = await own({ policies: ['narrow'] })
  await expect(giveToken(t.engine, hold, child('narrow'), weak.token)).rejects.toThrow(code('vault_token_refused'))
  const counted = await own({ num_uses: 5 })
  await expect(giveToken(t.engine, hold, child('narrow'), counted.token)).rejects.toThrow(code('vault_token_refused'))
})

test('the others: its own, or none', async () => {
  const { token } = await own()
  expect(await giveToken(t.engine, hold, { kind: 'inherit' }, token)).toBe(token)
  expect(await giveToken(t.engine, hold, { kind: 'none' }, token)).toBeNull()
})
