import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchDatabase } from '../demo/database-search.ts'
import { applySetup } from '../src/cli/vault-setup/apply.ts'
import { DEFAULTS, setupPlan } from '../src/cli/vault-setup/plan.ts'
import { makeDatabaseEngine } from '../test/database-engine.ts'
import { askEngine } from './engine.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_LOG_LEVEL: 'trace' })
})
afterAll(() => stack.close())

/** Random for this run, in forms that are easily overlooked: several lines, quotes, a number, all that YAML and shells know. */
const canaries = {
  plain: `canary-${randomBytes(16).toString('hex')}`,
  lines: `first-${randomBytes(12).toString('hex')}\nsecond-${randomBytes(12).toString('hex')}\n`,
  quotes: `q'"$(id)\`\\${randomBytes(12).toString('hex')}`,
  json: JSON.stringify({ token: randomBytes(16).toString('hex') }),
  digits: String(BigInt(`0x${randomBytes(14).toString('hex')}`)),
}

/** What would give one of them away, in whatever form. */
function traces(value: string): string[] {
  const core = value.match(/[A-Za-z0-9-]{16,}/g) ?? []
  return [
    ...core,
    ...core.map(text => Buffer.from(text).toString('base64').slice(0, 20)),
    ...core.map(text => Buffer.from(text).toString('hex')),
  ]
}

test('secrets of a job are in none of the places where they must not be', async () => {
  await stack.vault.send({ method: 'POST', path: 'secret/data/canary', token: stack.root, body: { data: canaries } })
  const refs = Object.keys(canaries).map(name => `${name.toUpperCase()}@secret/data/canary.${name}`)
  const client = stack.client(server.address)
  const script =
    'sed "s/./&_/g" /secrets.yml; cat /secrets.yml; cat /secrets.yml >&2; env; ls -laR /run/writ; sleep 2; cat /secrets.yml'
  const sealed = await client.submit(shell(stack, script, { secret_refs: refs }))
  await until(async () => (await client.get(sealed._id)).output_bytes > 500)

  // while it runs: the engine's description, its writable layer, its processes
  const name = `writ-${sealed._id}`
  const places = new Map<string, string>()
  places.set('inspect', (await askEngine(`/containers/${name}/json`)).toString('latin1'))
  places.set('layer', (await askEngine(`/containers/${name}/export`)).toString('latin1'))
  places.set('processes', (await askEngine(`/containers/${name}/top?ps_args=axwwo%20pid,args`)).toString())
  places.set('files', (await askEngine(`/containers/${name}/changes`)).toString())
  expect(await stack.db.selectFrom('jobs').select('sealed_masks').executeTakeFirst()).toMatchObject({
    sealed_masks: expect.stringMatching(/^vault:v1:/),
  })
  const running = await searchDatabase(stack.database.url, Object.values(canaries).flatMap(traces))
  expect(running).toMatchObject({ hits: [] })

  const { stdout, stderr, job } = await untilEnded(stack, client, sealed._id)
  // it did have them, each character apart
  const spelled = stdout.split('---\n')[0]?.replaceAll(/(.)_/g, '$1') ?? ''
  expect(spelled).toContain(canaries.plain)
  expect(spelled).toContain(canaries.digits)
  const token = /^TOKEN: (\S+)$/m.exec(spelled)?.[1] ?? ''
  expect(token.length).toBeGreaterThan(10)

  const masked = stdout.slice(stdout.indexOf('---\n'))
  places.set('stdout', masked)
  places.set('stderr', stderr)
  places.set('answer', JSON.stringify({ ...job, output: job.output.slice(job.output.indexOf('---\n')) }))
  places.set('server log', server.log())
  const raw = await request(`${server.address}/v1/api/job/${sealed._id}/output`, {
    headers: { 'x-auth-token': stack.root.reveal() },
  })
  places.set('event stream', await raw.body.text())
  for (const [place, text] of places) {
    for (const trace of [...Object.values(canaries).flatMap(traces), token]) {
      expect(text.includes(trace), `${trace} in ${place}`).toBe(false)
    }
  }
  const ended = await searchDatabase(stack.database.url, [...Object.values(canaries).flatMap(traces), token])
  expect(ended.rows).toBeGreaterThan(5)
  expect(ended.hits).toEqual([])
  expect(Object.keys(job.masked).sort()).toEqual(['DIGITS', 'JSON', 'LINES', 'PLAIN', 'QUOTES', 'TOKEN'])
})

test('the tokens of a submission are in no log and not in the database, also when it is refused', async () => {
  const client = stack.client(server.address)
  const secrets: string[] = []
  const note = (body: Record<string, unknown>) => secrets.push(...[body.wrap_secret_id, body.cubby_token].map(String))
  const { sealJob } = await import('../src/client/seal.ts')
  for (const change of [
    {},
    { qname: 'other' },
    { cubby_path: 'secret/x' },
    { wrap_secret_id: 'hvs.forged-wrap-token-value' },
  ]) {
    const body = {
      ...(await sealJob(stack.vault, stack.identities.requestorToken, shell(stack, 'true'), { jobRole: 'writ-job' })),
      ...change,
    }
    note(body)
    const response = await request(`${server.address}/v1/api/job`, {
      method: 'POST',
      headers: { 'x-auth-token': stack.identities.requestorToken.reveal() },
      body: JSON.stringify(body),
    })
    const answer = (await response.body.json()) as { _id?: string }
    for (const secret of secrets) expect(JSON.stringify(answer)).not.toContain(secret)
    if (answer._id) await untilEnded(stack, client, answer._id)
  }
  secrets.push(stack.identities.requestorToken.reveal(), stack.identities.serverSecretId.reveal())
  for (const secret of secrets) expect(server.log()).not.toContain(secret)
  expect(await searchDatabase(stack.database.url, secrets)).toMatchObject({ hits: [] })
})

// the database of the tests is on a Unix socket, which only the embedded Vault reaches
test.skipIf(process.env.WRIT_TEST_VAULT_ADDR)(
  'the passwords of the database that Vault makes are nowhere, also when PostgreSQL refuses them',
  async () => {
    const write = (path: string, body: object) => stack.vault.send({ method: 'POST', path, token: stack.root, body })
    const engine = await makeDatabaseEngine(write, { default_ttl: '2s', max_ttl: '4s' })
    await applySetup(stack.vault, stack.root, setupPlan({ ...DEFAULTS, databaseCreds: engine.path }))
    const settings = { DATABASE_URL: engine.url, WRIT_DATABASE_CREDS: engine.path, WRIT_LOG_LEVEL: 'trace' }
    const own = await stack.startServer(settings)
    const passwords = new Set<string>()
    const places = new Map<string, string>()
    const look = async () => {
      for (const password of await engine.passwords()) passwords.add(password)
      for (const file of ['cmdline', 'environ']) places.set(file, readFileSync(`/proc/${own.pid}/${file}`, 'latin1'))
      return passwords.size
    }
    await until(async () => (await look()) >= 3)
    const [user] = await engine.users()
    await engine.sql(`drop role "${user}"`)
    await engine.sql(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'writ%'`)
    for (const path of ['health', 'ready'])
      places.set(path, await (await fetch(`${own.address}/v1/api/${path}`)).text())
    const seen = await look()
    await until(async () => (await look()) > seen)
    const { hits } = await searchDatabase(engine.adminUrl, [...passwords])
    await own.stop('SIGTERM')
    places.set('log', own.log())
    expect(places.get('log')).toContain('logging in to the database as another user')
    for (const [place, text] of places)
      for (const password of passwords) expect(text.includes(password), place).toBe(false)
    expect(hits).toEqual([])
    await engine.drop()
  },
)
