import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../../../test/certificate.ts'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import type { WritError } from '../../protocol/errors.ts'
import type { NamedRequest, Plan } from '../../protocol/watch-plan.ts'
import { failure } from '../jobs/outcome.ts'
import { seal } from '../jobs/sealed.ts'
import { findJob, type Job } from '../store/jobs.ts'
import type { WatchAccess } from '../store/watch-schema.ts'
import { endTask, findTaskOfJob, insertTask, noteRefusal } from '../store/watch-tasks.ts'
import { findWatch, insertWatch, updateWatch, type Watch } from '../store/watches.ts'
import { loginForRun } from './access.ts'
import { maintainAccess } from './access-change.ts'
import { planVaultOf } from './plan.ts'
import { maintainTokens, makeRequests, releaseToken } from './request-run.ts'

const never = new AbortController().signal
const servers: Server[] = []
let t: TestEngine
let made = 0

beforeAll(async () => {
  t = await startTestEngine()
})
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})
afterAll(() => t.close())

interface Asked {
  readonly path: string
  readonly token: string
  readonly body: string
}

/** A Vault that lets everybody in as `token`, and answers the rest as it is told, or refuses with these words; what it was asked. */
async function fakeVault(token: string, answer: (path: string) => object | number | string[] = () => 204) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const path = (request.url ?? '').replace('/v1/', '')
    asked.push({ path, token: String(request.headers['x-vault-token'] ?? ''), body })
    const auth = { client_token: token, accessor: 'a', lease_duration: 60, renewable: true, policies: [] }
    const said = /login$|renew-self$/.test(path) ? { auth } : answer(path)
    if (Array.isArray(said)) response.writeHead(400).end(JSON.stringify({ errors: said }))
    else if (typeof said === 'number') response.writeHead(said).end(said === 204 ? undefined : '{"errors":[]}')
    else response.end(JSON.stringify(said))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, asked, tokens: () => new Set(asked.map(one => one.token).filter(Boolean)) }
}

const WRAPPED = { wrap_info: { token: 'wrapping', accessor: 'b', ttl: 60, creation_path: 'x', creation_time: 'x' } }

function accessAt(vault_addr: string): WatchAccess {
  const role = { role_name: 'r', role_id: 'id', secret_id_ttl: 7200, approle_mount_point: 'approle' }
  return { vault_addr, vault_tls_server_name: 'x', vault_cacert: '', ...role }
}

async function moveTo(name: string, access: WatchAccess, secretId = 'secret'): Promise<void> {
  const [sealed_secret_id = ''] = await seal(t.engine, [secretId])
  await updateWatch(t.engine.db, name, {
    access: JSON.stringify(access),
    sealed_secret_id,
    secret_id_renewed_at: new Date(),
  })
}

/** A watch with an access, and a job of it that has been taken up. */
async function newRun(access: WatchAccess): Promise<{ name: string; job: Job; run: Run }> {
  made += 1
  const name = `r${made}`
  await t.engine.db.transaction().execute(tx => insertWatch(tx, { name, description: '' }))
  await moveTo(name, access)
  const id = await t.queue({ form: 'watch' })
  const task = { watch: name, commit: 'c', object: 'c', attempt: 1, jobId: id, signers: [], planDigest: '' }
  await t.engine.db.transaction().execute(tx => insertTask(tx, task))
  const job = (await findJob(t.engine.db, id)) as Job
  const run: Run = async (path = '/v1/kv/a', address = access.vault_addr, more = []) => {
    const requests = [{ name: 'q', path, method: 'GET', options: {}, wrap_ttl: 60 }, ...more]
    const plan = { requests, vault: planVaultOf({ ...access, vault_addr: address }) } as unknown as Plan
    return await makeRequests(t.engine, (await findWatch(t.engine.db, name)) as Watch, job, plan, never)
  }
  return { name, job, run }
}

type Run = (path?: string, address?: string, more?: readonly NamedRequest[]) => ReturnType<typeof makeRequests>

const kept = async (job: Job) => (await findTaskOfJob(t.engine.db, job.id))?.sealed_vault_token

test('an answer that is not wrapped is refused: somebody on the way may have read it', async () => {
  const vault = await fakeVault('t', () => ({ data: { password: 'canary' } }))
  const { run } = await newRun(accessAt(vault.address))
  const error = await run().catch((e: unknown) => e)
  expect(error).toMatchObject({ code: 'watch_request_failed', detail: expect.stringContaining('not wrapped') })
  expect(String(error)).not.toContain('canary')
})

test.each([
  ['NUL', 'no\0'],
  ['half of a pair', 'no\ud83d'],
  ['30 MB', 'no'.repeat(15_000_000)],
])(
  'a Vault that refuses with %s: the run ends with what can be kept of it, and so do others that end with it',
  async (_, words) => {
    const vault = await fakeVault('t', () => [words])
    const { run, name } = await newRun(accessAt(vault.address))
    const error: unknown = await run().catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'watch_request_failed', detail: expect.stringContaining('no') })
    const { hold } = await t.claim()
    const { hold: other } = await t.claim()
    const fine = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
    const ended = await Promise.all([
      t.engine.recorder.end({ hold, outcome: failure(error as WritError) }),
      t.engine.recorder.end({ hold: other, outcome: fine }),
    ])
    expect(ended.map(one => one?.id)).toEqual([hold.id, other.id])
    const refusal = { watch: name, commit: 'c', reasonCode: 'watch_request_failed', reason: (error as Error).message }
    expect(await t.engine.db.transaction().execute(tx => noteRefusal(tx, refusal))).toBe(true)
    expect((error as Error).message.length).toBeLessThan(5_000)
  },
)

test.each(['/v1/kv/100%', '/v1/kv/%2e%2e/sys/raw', '/v1/kv//a', '/kv/a', '/v1/%0a'])(
  '%s ends the job, which would otherwise wait for ever',
  async path => {
    const vault = await fakeVault('t', () => WRAPPED)
    const { run } = await newRun(accessAt(vault.address))
    await expect(run(path)).rejects.toMatchObject({ code: 'watch_request_failed' })
    expect(vault.asked.map(one => one.path)).toEqual(['auth/approle/login'])
  },
)

const post = (name: string): NamedRequest => ({
  name,
  path: `/v1/pki/${name}`,
  method: 'POST',
  options: {},
  wrap_ttl: 60,
})

test('a request that may have had its effect is not made again by the same run, here or on another node', async () => {
  let broken = true
  const vault = await fakeVault('t', path => (path === 'pki/two' && broken ? 500 : WRAPPED))
  const { run } = await newRun(accessAt(vault.address))
  const requests = [post('one'), post('two')]
  await expect(run('/v1/kv/a', vault.address, requests)).rejects.toMatchObject({ code: 'watch_request_uncertain' })
  broken = false
  await expect(run('/v1/kv/a', vault.address, requests)).rejects.toMatchObject({ code: 'watch_request_uncertain' })
  expect(vault.asked.filter(({ path }) => path.startsWith('pki/')).map(({ path }) => path)).toEqual([
    'pki/one',
    'pki/two',
  ])
})

test('nor when a node died between it and the start', async () => {
  const vault = await fakeVault('t', () => WRAPPED)
  const { run } = await newRun(accessAt(vault.address))
  expect((await run('/v1/kv/a', vault.address, [post('one')])).env.size).toBe(2)
  // nobody knows what became of the answer: the next to take the job over comes here
  await expect(run('/v1/kv/a', vault.address, [post('one')])).rejects.toMatchObject({ code: 'watch_request_uncertain' })
  expect(vault.asked.filter(({ path }) => path === 'pki/one')).toHaveLength(1)
})

test('one that only reads is made again, and so is one that Vault did not take', async () => {
  let sealed = true
  const vault = await fakeVault('t', () => (sealed ? 503 : WRAPPED))
  const { run } = await newRun(accessAt(vault.address))
  await expect(run()).rejects.toMatchObject({ code: 'watch_vault_unavailable' })
  const { run: other } = await newRun(accessAt(vault.address))
  sealed = false
  let once = true
  const refusing = await fakeVault('t', path => (path === 'pki/one' && once ? 503 : WRAPPED))
  const third = await newRun(accessAt(refusing.address))
  await expect(third.run('/v1/kv/a', refusing.address, [post('one')])).rejects.toMatchObject({
    code: 'watch_vault_unavailable',
  })
  once = false
  expect((await third.run('/v1/kv/a', refusing.address, [post('one')])).env.size).toBe(2)
  expect((await run()).env.size).toBe(1)
  expect((await other()).env.size).toBe(1)
})

test('a commit that was taken up for another Vault does not ask this one', async () => {
  const vault = await fakeVault('t', () => WRAPPED)
  const { run } = await newRun(accessAt(vault.address))
  await expect(run('/v1/kv/a', 'https://another.example')).rejects.toMatchObject({ code: 'watch_changed' })
  expect(vault.asked).toEqual([])
})

test.each(['vault_tls_server_name', 'vault_cacert', 'role_name', 'role_id', 'approle_mount_point'])(
  'nor one that was taken up for another %s',
  async field => {
    const vault = await fakeVault('t', () => WRAPPED)
    const { name, run } = await newRun(accessAt(vault.address))
    await moveTo(name, { ...accessAt(vault.address), [field]: 'another' })
    await expect(run()).rejects.toMatchObject({ code: 'watch_changed' })
    expect(vault.asked).toEqual([])
  },
)

test.each([
  ['without its CA', ''],
  ['with the CA of another', selfSigned().cert],
])('a Vault at loopback is asked nothing before it has proved who it is: %s', async (_, vault_cacert) => {
  // flant_gitops switched the check off there: whoever got the port got the SecretID
  const { cert, key } = selfSigned()
  let asked = 0
  const server = createTlsServer({ cert, key }, (_request, response) => {
    asked += 1
    response.end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { run } = await newRun({ ...accessAt(address), vault_tls_server_name: 'localhost', vault_cacert })
  await expect(run()).rejects.toMatchObject({
    code: 'watch_vault_unavailable',
    detail: expect.stringContaining('SELF_SIGNED_CERT'),
  })
  expect(asked).toBe(0)
})

test('a SecretID never goes to the Vault that the watch was at before', async () => {
  const [before, after] = [await fakeVault('old'), await fakeVault('new')]
  const { name } = await newRun(accessAt(before.address))
  const access = accessAt(before.address)
  const { accessVault } = await import('./access.ts')
  const vault = accessVault(access)
  await moveTo(name, accessAt(after.address), 'canary-of-the-new-one')
  const current = async () => (await findWatch(t.engine.db, name)) as Watch
  await expect(loginForRun(t.engine, vault, access, current)).rejects.toMatchObject({ code: 'watch_changed' })
  await vault.close()
  expect(before.asked).toEqual([])
})

test('the token of a run is renewed and revoked where it came from, and goes nowhere else', async () => {
  const [before, after] = [await fakeVault('of-before', () => WRAPPED), await fakeVault('of-after')]
  const { name, job, run } = await newRun(accessAt(before.address))
  expect((await run()).env.get('VAULT_REQUEST_TOKEN_Q')?.reveal()).toBe('wrapping')
  const first = await kept(job)
  expect(first).toMatch(/^vault:v1:/)
  await moveTo(name, accessAt(after.address))
  const due = { vault_token_renew_at: new Date(0) }
  await t.engine.db.updateTable('watch_tasks').set(due).where('job_id', '=', job.id).execute()
  await maintainTokens(t.engine)
  expect(before.asked.at(-1)).toMatchObject({ path: 'auth/token/renew-self', token: 'of-before' })
  expect(await kept(job)).not.toBe(first)
  await releaseToken(t.engine, job.id)
  expect(before.asked.at(-1)).toMatchObject({ path: 'auth/token/revoke-self', token: 'of-before' })
  expect(after.tokens()).not.toContain('of-before')
  expect(await kept(job)).toBeNull()
})

test('a token that has ended by itself at a Vault that is gone does not stay on record for ever', async () => {
  const vault = await fakeVault('t', () => WRAPPED)
  const { job, run } = await newRun(accessAt(vault.address))
  await run()
  const end = { state: 'done', reasonCode: '', reason: '' } as const
  await t.engine.db.transaction().execute(tx => endTask(tx, job.id, end))
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  }
  await releaseToken(t.engine, job.id)
  expect(await kept(job)).not.toBeNull()
  const now = Date.now
  Date.now = () => now() + 3_600_000
  try {
    await releaseToken(t.engine, job.id)
  } finally {
    Date.now = now
  }
  expect(await kept(job)).toBeNull()
})

test('a Vault that does not answer keeps no other watch from replacing its SecretID', async () => {
  let release = () => {}
  const silence = new Promise<void>(resolve => {
    release = resolve
  })
  const silent = createServer(async (_request, response) => {
    await silence
    response.destroy()
  })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  servers.push(silent)
  const good = await fakeVault('t', path => (path.endsWith('secret-id') ? { data: { secret_id: 'fresh' } } : 204))
  const stuck = await newRun(accessAt(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`))
  const { name } = await newRun(accessAt(good.address))
  for (const one of [stuck.name, name]) await updateWatch(t.engine.db, one, { secret_id_renewed_at: new Date(0) })
  const before = (await findWatch(t.engine.db, name))?.sealed_secret_id
  const round = maintainAccess(t.engine)
  await expect
    .poll(async () => (await findWatch(t.engine.db, name))?.sealed_secret_id, { timeout: 8_000 })
    .not.toBe(before)
  release()
  await round
})
