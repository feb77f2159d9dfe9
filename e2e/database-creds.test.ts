import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { applySetup } from '../src/cli/vault-setup/apply.ts'
import { DEFAULTS, GATE_ROLE, gatePlan, setupPlan } from '../src/cli/vault-setup/plan.ts'
import { type DatabaseEngine, makeDatabaseEngine } from '../test/database-engine.ts'
import { type ServerProcess, type Stack, shell, startStack, until } from './stack.ts'

let stack: Stack
let engine: DatabaseEngine
let server: ServerProcess
let folder: string

/** So short that there are several users in a test, and long enough that a busy machine does not miss the third of it that is left. */
const LIFE = { default_ttl: '6s', max_ttl: '9s' }

// the database of the tests is on a Unix socket, which only the embedded Vault reaches
const there = !process.env.WRIT_TEST_VAULT_ADDR

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-creds-'))
  if (!there) return
  stack = await startStack()
  engine = await makeDatabaseEngine(write, LIFE)
  await applySetup(stack.vault, stack.root, setupPlan({ ...DEFAULTS, databaseCreds: engine.path }))
  server = await startServer()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await stack?.close()
  await engine?.drop()
})

async function write(path: string, body: object): Promise<void> {
  await stack.vault.send({ method: 'POST', path, token: stack.root, body })
}

const startServer = (more: Record<string, string> = {}) =>
  stack.startServer({ DATABASE_URL: engine.url, WRIT_DATABASE_CREDS: engine.path, WRIT_LOG_LEVEL: 'trace', ...more })

interface Load {
  readonly accepted: string[]
  readonly failures: unknown[]
  /** Who had connections, in the order in which they came, by application. */
  readonly seen: Map<string, Set<string>>
}

/** Jobs, lists and probes without a pause, each after the other, from several places at once. */
async function load(seconds: number): Promise<Load> {
  const made: Load = { accepted: [], failures: [], seen: new Map() }
  const client = stack.client(server.address)
  const end = Date.now() + seconds * 1000
  const again = async (work: () => Promise<unknown>) => {
    while (Date.now() < end) await work().catch(error => made.failures.push(error))
  }
  const submit = async () => {
    const { _id } = await client.submit(shell(stack, 'echo ran'))
    made.accepted.push(_id)
    await until(async () => ['success', 'failed', 'unknown'].includes((await client.get(_id)).status))
  }
  const health = async () => {
    const answer = await fetch(`${server.address}/v1/api/health`)
    if (answer.status !== 200) throw new Error(`health: ${answer.status} ${await answer.text()}`)
  }
  // not its status: an engine that answers slowly, because this load is on it too, is no matter of logins
  const ready = async () => {
    const { checks } = (await (await fetch(`${server.address}/v1/api/ready`)).json()) as { checks: object }
    expect(checks).toMatchObject({ database: 'ok', notifications: 'ok', vault: 'ok' })
  }
  const watch = async () => {
    for (const { user, application } of await engine.sessions()) {
      made.seen.set(application, (made.seen.get(application) ?? new Set()).add(user))
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await Promise.all([...[submit, submit, () => client.list(), ready, health, watch].map(again)])
  return made
}

test.runIf(there)(
  'jobs and requests through several logins of the database: none fails, and no login is left',
  async () => {
    const { accepted, failures, seen } = await load(28)
    expect(failures).toEqual([])
    expect(accepted.length).toBeGreaterThan(3)
    const client = stack.client(server.address)
    for (const id of accepted) expect((await client.get(id)).status).toBe('success')
    for (const application of ['writ', 'writ-listen']) {
      expect(seen.get(application)?.size, application).toBeGreaterThanOrEqual(3)
    }
    expect((await engine.users()).length).toBeLessThanOrEqual(2)
    expect(server.log()).not.toContain('a database connection broke')
  },
)

test.runIf(there)(
  'and through several tokens of the server, with each of which Vault drops a login: none fails',
  async () => {
    await server.stop('SIGTERM')
    await engine.role({ default_ttl: '1h', max_ttl: '1h' })
    const role = `auth/approle/role/${DEFAULTS.serverRole}`
    await write(role, { token_policies: [DEFAULTS.serverRole], token_period: 0, token_ttl: '8s', token_max_ttl: '12s' })
    server = await startServer()
    const { accepted, failures, seen } = await load(28)
    expect(failures).toEqual([])
    expect(accepted.length).toBeGreaterThan(3)
    expect(seen.get('writ')?.size).toBeGreaterThanOrEqual(3)
    await server.stop('SIGTERM')
    expect(await engine.users()).toEqual([])
    await write(role, { token_policies: [DEFAULTS.serverRole], token_period: '1h', token_ttl: 0, token_max_ttl: 0 })
    await engine.role(LIFE)
    server = await startServer()
  },
)

test.runIf(there)('somebody revokes the login while it is used: the server goes on with another one', async () => {
  const client = stack.client(server.address)
  const [before] = await engine.users()
  await write(`sys/leases/revoke-prefix/${engine.path}`, {})
  expect(await engine.users()).not.toContain(before)
  await until(async () => (await fetch(`${server.address}/v1/api/ready`)).status === 200)
  const { _id } = await client.submit(shell(stack, 'true'))
  await until(async () => (await client.get(_id)).status === 'success')
})

test.runIf(there)(
  'kill -9: the next server has a login of its own, and what the dead one left ends by itself',
  async () => {
    await engine.role({ default_ttl: '20s', max_ttl: '20s' })
    await until(async () => server.log().includes('"leaseSeconds":20,"msg":"logging in to the database'))
    const left = await engine.users()
    await server.stop('SIGKILL')
    server = await startServer()
    const client = stack.client(server.address)
    const { _id } = await client.submit(shell(stack, 'true'))
    await until(async () => (await client.get(_id)).status === 'success')
    await until(async () => !(await engine.users()).some(user => left.includes(user)), 30_000)
    expect((await client.get(_id)).status).toBe('success')
  },
)

test.runIf(there)('who stops cleanly leaves no login', async () => {
  await server.stop('SIGTERM')
  expect(await engine.users()).toEqual([])
})

test.runIf(there)(
  'Vault that is away at the start is waited for; a path that it refuses is an end with what to do',
  async () => {
    stack.devVault?.seal()
    let up = false
    const starting = startServer().then(started => {
      up = true
      return started
    })
    await new Promise(resolve => setTimeout(resolve, 3_000))
    expect(up).toBe(false)
    stack.devVault?.unseal()
    server = await starting
    expect((await fetch(`${server.address}/v1/api/ready`)).status).toBe(200)
    await server.stop('SIGTERM')
    expect(await engine.users(), 'all were given back').toEqual([])
    const refused = stack.startServer({ DATABASE_URL: engine.url, WRIT_DATABASE_CREDS: 'database/creds/other' })
    await expect(refused).rejects.toThrow(/ended with 1.*database\/creds\/other/s)
  },
)

test.runIf(there)(
  'sealed over its gate it has no database; who unseals it brings a login too, and is on record',
  async () => {
    const { vault, root, identities } = stack
    await server.stop('SIGTERM')
    await engine.role({ default_ttl: '1h', max_ttl: '1h' })
    await applySetup(vault, root, gatePlan('secret/gatekeeper'))
    await write(`auth/approle/role/${DEFAULTS.serverRole}`, { token_policies: [DEFAULTS.serverRole, GATE_ROLE] })
    await write('secret/data/gatekeeper', { data: { '*': { policies: ['default'] } } })
    const file = join(folder, 'secret-id')
    await writeFile(file, identities.serverSecretId.reveal())
    server = await startServer({
      WRIT_GATE_LISTEN: '127.0.0.1:0',
      WRIT_GATE_SCHEDULERS: 'writ',
      WRIT_SECRET_ID_FILE: file,
      GOSTINT_RUN_SECRETID: '',
    })
    const gate = /"address":"(http:[^"]*)"[^\n]*"gate listening"/.exec(server.log())?.[1] ?? expect.fail(server.log())
    const post = async (path: string, body: object, token = '') => {
      const headers = { 'content-type': 'application/json', 'x-vault-token': token }
      const answer = await fetch(`${gate}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      return (await answer.json()) as object
    }
    expect(await post('/seal', {}, root.reveal())).toMatchObject({ unsealed: false })
    await until(async () => (await engine.users()).length === 0)
    const health = async () => await (await fetch(`${server.address}/v1/api/health`)).json()
    await until(async () => ((await health()) as { code?: string }).code === 'store_unavailable')

    // a token that is good for the gate, but not for the database
    const weak = await vault.send({
      method: 'POST',
      path: 'auth/token/create',
      token: root,
      body: { policies: [GATE_ROLE], ttl: '1h' },
    })
    const refused = await post('/unseal', { type: 'token', token: weak?.auth?.token.reveal() })
    expect(refused).toMatchObject({ ok: false, code: 'store_credentials_unavailable' })
    expect(await engine.users()).toEqual([])

    const credentials = { role_id: identities.serverRoleId, secret_id: identities.serverSecretId.reveal() }
    expect(await post('/unseal', { type: 'approle', ...credentials })).toMatchObject({ ok: true, unsealed: true })
    await until(async () => (await fetch(`${server.address}/v1/api/ready`)).status === 200)
    const trail = await engine.sql(`select entry::json->>'action' as action from audit order by seq desc limit 1`)
    expect(trail).toEqual([{ action: 'gate.unsealed' }])
    await server.stop('SIGTERM')
    expect(await engine.users()).toEqual([])
  },
)
