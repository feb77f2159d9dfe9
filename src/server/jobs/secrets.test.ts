import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { FakeServer, json } from '../../../test/fake-server.ts'
import { parseSecretRef } from '../../protocol/secret-ref.ts'
import { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Engine } from './engine.ts'
import { resolveSecrets } from './secrets.ts'

let t: TestEngine
let fake: FakeServer
let faked: Engine
let token: Secret
const JOB = 'a'.repeat(24)

beforeAll(async () => {
  t = await startTestEngine()
  await t.stack.write('sys/mounts/kv', { type: 'kv', options: { version: '1' } })
  await t.stack.write('sys/policies/acl/job', {
    policy: 'path "secret/data/*" { capabilities = ["read"] }\npath "kv/*" { capabilities = ["read"] }',
  })
  token = await t.stack.token({ policies: ['job', 'default'] })
  fake = await FakeServer.listen(response => json(response, 200, {}))
  faked = { ...t.engine, vault: new Vault({ address: fake.address, retry: { retries: 0, firstDelayMs: 1 } }) }
})
beforeEach(() => {
  fake.seen.length = 0
})
afterAll(async () => {
  await faked.vault.close()
  await fake.close()
  await t.close()
})

async function resolve(refs: string[], more: { engine?: Engine; token?: Secret; continueOnWarnings?: boolean } = {}) {
  const { engine = t.engine, ...rest } = more
  const job = {
    hold: { id: JOB, node: 'node-1', attempt: 1 },
    token,
    continueOnWarnings: false,
    refs: refs.map(parseSecretRef),
    ...rest,
  }
  const secrets = await resolveSecrets(engine, job)
  return Object.fromEntries([...secrets].map(([name, secret]) => [name, secret.reveal()]))
}

const answers = (data: unknown, more: object = {}) => {
  fake.answer = response => json(response, 200, { data, ...more })
}

test('no references: nothing is read', async () => {
  expect(await resolve([])).toEqual({})
})

test('KV of both versions', async () => {
  await t.stack.write('kv/app', { user: 'one', data: 'a field of that name' })
  await t.stack.write('secret/data/app', { data: { user: 'two', data: 'inner' } })
  const refs = ['A@kv/app.user', 'B@kv/app.data', 'C@secret/data/app.user', 'D@secret/data/app.data']
  expect(await resolve(refs)).toMatchObject({ A: 'one', B: 'a field of that name', C: 'two', D: 'inner' })
})

test('a version 1 secret whose field "data" is an object is none of version 2', async () => {
  await t.stack.write('kv/odd', { data: { user: 'inner' }, user: 'outer' })
  expect(await resolve(['A@kv/odd.user'])).toMatchObject({ A: 'outer' })
})

test('what only such a field holds is found in it, as in GoStint', async () => {
  await t.stack.write('kv/nested', { data: { user: 'inner' }, other: 'outer' })
  expect(await resolve(['A@kv/nested.user', 'B@kv/nested.other'])).toMatchObject({ A: 'inner', B: 'outer' })
})

test('numbers and booleans are texts; objects, lists and null are refused', async () => {
  answers({ n: 5432, zero: 0, f: 0.5, yes: true, no: false, empty: '', list: ['x'], object: { x: 1 }, null: null })
  const names = ['n', 'zero', 'f', 'yes', 'no', 'empty']
  expect(
    await resolve(
      names.map(name => `${name}@kv/a.${name}`),
      { engine: faked },
    ),
  ).toMatchObject({ n: '5432', zero: '0', f: '0.5', yes: 'true', no: 'false', empty: '' })
  for (const name of ['list', 'object']) {
    await expect(resolve([`A@kv/a.${name}`], { engine: faked })).rejects.toMatchObject({ code: 'secret_not_text' })
  }
  for (const name of ['null', 'missing', 'constructor', 'toString', '__proto__']) {
    await expect(resolve([`A@kv/a.${name}`], { engine: faked })).rejects.toMatchObject({
      code: 'secret_not_found',
      detail: `kv/a.${name}`,
    })
  }
})

test('each path is read once, so that the parts of one credential match', async () => {
  fake.answer = (response, _request, count) =>
    json(response, 200, { data: { user: `u${count}`, password: `p${count}` } })
  const refs = ['U@db/creds/app.user', 'X@kv/other.user', 'P@db/creds/app.password', 'AGAIN@db/creds/app.user']
  const secrets = await resolve(refs, { engine: faked })
  expect(fake.seen.map(({ url }) => url)).toEqual(['/v1/db/creds/app', '/v1/kv/other'])
  expect(secrets).toMatchObject({ U: 'u1', P: 'p1', AGAIN: 'u1', X: 'u2' })
  expect(fake.seen.every(({ headers }) => headers['x-vault-token'] === token.reveal())).toBe(true)
})

test('a later reference of the same name wins, whatever path it has', async () => {
  fake.answer = (response, { url }) => json(response, 200, { data: { k: url } })
  const secrets = await resolve(['A@kv/one.k', 'A@kv/two.k', 'B@kv/two.k', 'B@kv/one.k'], { engine: faked })
  expect(secrets).toMatchObject({ A: '/v1/kv/two', B: '/v1/kv/one' })
})

test('names that objects have already', async () => {
  answers({ k: 'v' })
  const refs = ['__proto__@kv/a.k', 'constructor@kv/a.k', 'toString@kv/a.k']
  const secrets = await resolveSecrets(faked, {
    hold: { id: JOB, node: 'node-1', attempt: 1 },
    token,
    refs: refs.map(parseSecretRef),
    continueOnWarnings: false,
  })
  expect([...secrets.keys()]).toEqual(['__proto__', 'constructor', 'toString'])
})

test('nothing there', async () => {
  await t.stack.write('secret/data/deleted', { data: { k: 'v' } })
  const gone = { method: 'DELETE', path: 'secret/data/deleted', token: t.stack.root } as const
  await t.stack.vault.send(gone)
  for (const ref of ['A@kv/none.k', 'A@secret/data/none.k', 'A@secret/data/deleted.k', 'A@secret/deleted.k']) {
    await expect(resolve([ref], { token: t.stack.root })).rejects.toMatchObject({ code: 'secret_not_found' })
  }
  fake.answer = response => response.writeHead(204).end()
  await expect(resolve(['A@kv/a.k'], { engine: faked })).rejects.toMatchObject({ code: 'secret_not_found' })
  answers(null)
  await expect(resolve(['A@kv/a.k'], { engine: faked })).rejects.toMatchObject({ code: 'secret_not_found' })
})

test('not allowed, and Vault away: two different things', async () => {
  await t.stack.write('secret/data/app', { data: { k: 'v' } })
  const weak = await t.stack.token({ policies: ['default'] })
  await expect(resolve(['A@secret/data/app.k'], { token: weak })).rejects.toMatchObject({ code: 'secret_refused' })
  t.stack.dev.seal()
  await expect(resolve(['A@secret/data/app.k'])).rejects.toMatchObject({ code: 'vault_unavailable' })
  t.stack.dev.unseal()
  for (const body of ['[]', '<html>', '{"data":']) {
    fake.answer = response => response.end(body)
    await expect(resolve(['A@kv/a.k'], { engine: faked })).rejects.toMatchObject({ code: 'vault_unavailable' })
  }
})

test('warnings stop the job, unless it goes on with them', async () => {
  answers({ k: 'v' }, { warnings: ['this endpoint is deprecated'] })
  await expect(resolve(['A@kv/a.k'], { engine: faked })).rejects.toMatchObject({
    code: 'secret_warnings',
    detail: 'kv/a',
  })
  expect(await resolve(['A@kv/a.k'], { engine: faked, continueOnWarnings: true })).toMatchObject({ A: 'v' })
})

test('every path that is read is in the audit trail by name; no value is there, in the log or in an error', async () => {
  answers({ k: 'canary-value', o: ['canary-value'] })
  await resolve(['A@kv/audited.k', 'B@kv/audited.k'], { engine: faked })
  const refused = await resolve(['A@kv/audited.o'], { engine: faked }).catch((error: unknown) => error)
  const rows = await t.engine.db.selectFrom('audit').select('entry').execute()
  const entries = rows.map(({ entry }) => JSON.parse(entry)).filter(entry => entry.detail?.path === 'kv/audited')
  expect(entries[0]).toMatchObject({ action: 'job.secret_read', job: JOB, detail: { names: ['A', 'B'] } })
  const everything = JSON.stringify(rows) + t.log.join('') + inspect(refused, { depth: null })
  expect(everything).not.toContain('canary-value')
  expect(everything).not.toContain(token.reveal())
})

test('an abort ends it with its reason', async () => {
  fake.answer = () => {}
  const reason = new Error('killed')
  const job = {
    hold: { id: JOB, node: 'node-1', attempt: 1 },
    token,
    continueOnWarnings: false,
    refs: [parseSecretRef('A@kv/a.k')],
  }
  await expect(resolveSecrets(faked, job, AbortSignal.abort(reason))).rejects.toBe(reason)
})
