import { afterAll, beforeAll, expect, test } from 'vitest'
import { applySetup } from '../src/cli/vault-setup/apply.ts'
import { GATE_ROLE, gatePlan } from '../src/cli/vault-setup/plan.ts'
import { type DatabaseEngine, makeDatabaseEngine } from '../test/database-engine.ts'
import { startTestVault, type TestVault } from '../test/dev-vault.ts'
import { Terminal } from './command.ts'
import { spawnGate, startGate } from './gate-process.ts'

let stack: TestVault
let engine: DatabaseEngine
let terminal: Terminal
/** Of a gate that logs in with what `vault-setup` makes. */
let env: Record<string, string>

beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('secret/data/gatekeeper', { data: { '*': { policies: ['default'], ttl: 600 } } })
  engine = await makeDatabaseEngine(stack.write, { default_ttl: '1h', max_ttl: '1h' })
  await applySetup(stack.vault, stack.root, gatePlan('secret/gatekeeper', engine.path))
  const read = async (method: 'GET' | 'POST', name: string) =>
    (await stack.vault.send({ method, path: `auth/approle/role/${GATE_ROLE}/${name}`, token: stack.root }))?.data
  env = {
    VAULT_ADDR: stack.vault.address,
    WRIT_ROLE_ID: String((await read('GET', 'role-id'))?.role_id),
    AUTH_APP_SECRET: String((await read('POST', 'secret-id'))?.secret_id),
    DATABASE_URL: engine.url,
    WRIT_DATABASE_CREDS: engine.path,
    WRIT_GATE_LISTEN: '127.0.0.1:0',
    WRIT_GATE_SCHEDULERS: 'test',
  }
  terminal = await Terminal.open({ VAULT_ADDR: stack.vault.address, VAULT_TOKEN: stack.root.reveal() })
})
afterAll(async () => {
  await engine.drop()
  await stack.close()
})

const ask = async (address: string, id: string) =>
  (await (await fetch(`${address}/token`, { method: 'POST', body: JSON.stringify({ task_id: id }) })).json()) as object

async function ended(child: ReturnType<typeof spawnGate>): Promise<{ code: number | null; said: string }> {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (said += chunk))
  const code = await new Promise<number | null>(done => child.once('close', done))
  return { code, said }
}

test('a gate that is alone has its user from Vault, two of them share their uses, and none is left', async () => {
  const [first, second] = await Promise.all([startGate([], env), startGate([], env)])
  expect(await ask(first.address, 't1')).toMatchObject({ ok: true })
  expect(await ask(second.address, 't1')).toMatchObject({ code: 'task_served' })
  expect(await engine.users()).toHaveLength(2)
  expect(new Set((await engine.sessions()).map(({ user }) => user))).toEqual(new Set(await engine.users()))
  for (const password of await engine.passwords()) expect(first.lines() + second.lines()).not.toContain(password)
  for (const { child } of [first, second]) {
    child.kill('SIGTERM')
    await new Promise(done => child.once('close', done))
  }
  expect(await engine.users()).toEqual([])
})

test('sealed and unsealed again by an operator, it has another user', async () => {
  const { address } = await startGate([], { ...env, WRIT_GATE_LEGACY_ADMIN: '1' })
  const [before] = await engine.users()
  await fetch(`${address}/seal`, { method: 'POST' })
  expect(await ask(address, 't2')).toMatchObject({ code: 'server_sealed' })
  expect(await engine.users()).not.toContain(before)
  const unsealed = await fetch(`${address}/unseal`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'token', token: stack.root.reveal() }),
  })
  expect(await unsealed.json()).toMatchObject({ ok: true })
  expect(await ask(address, 't2')).toMatchObject({ ok: true })
})

test.each<[string, Record<string, string>, string]>([
  ['nothing to log in to Vault with', { WRIT_ROLE_ID: '', AUTH_APP_SECRET: '' }, 'logs in to Vault by itself'],
  ['a user in the address too', { DATABASE_URL: 'postgres://me@localhost/x' }, 'names a user or password'],
  ['no address', { DATABASE_URL: '' }, 'says where the database is'],
  ['no path', { WRIT_DATABASE_CREDS: 'database/creds/*' }, 'is no path in Vault'],
  ['a path that Vault refuses', { WRIT_DATABASE_CREDS: 'database/creds/other' }, 'store_credentials_unavailable'],
])('%s: it ends, and says what is wrong', async (_, more, said) => {
  const found = await ended(spawnGate([], { ...env, ...more }))
  expect(found.code).not.toBe(0)
  expect(found.said).toContain(said)
})

test('writ audit reads a user with the token of whoever asks, and gives it back', async () => {
  const before = await engine.users()
  const settings = { DATABASE_URL: engine.url, WRIT_DATABASE_CREDS: engine.path }
  const audit = async (more: Record<string, string> = {}) => {
    const words = Object.entries({ ...settings, ...more }).map(([name, value]) => `${name}='${value}'`)
    return await terminal.shell(`${words.join(' ')} writ audit verify`)
  }
  expect(await audit()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whole: [1-9]/) })
  expect(await engine.users()).toEqual(before)
  const denied = await audit({ VAULT_TOKEN: (await stack.token({ policies: ['default'] })).reveal() })
  expect(denied).toMatchObject({ code: 1, stderr: expect.stringContaining('database/creds') })
  expect(await audit({ DATABASE_URL: 'postgres://me@localhost/x' })).toMatchObject({ code: 2 })
  expect(await audit({ WRIT_DATABASE_CREDS: 'a b' })).toMatchObject({ code: 2 })
  expect(await audit({ VAULT_TOKEN: '' })).toMatchObject({ code: 2, stderr: expect.stringContaining('VAULT_TOKEN') })
})
