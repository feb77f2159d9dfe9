import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import { Secret } from '../../vault/secret.ts'
import { type Caller, identifyCaller } from '../jobs/caller.ts'

/**
 * Who gets what from which route: the whole of it. A job of Alice's lies in the queue `team`; the last two roles are hers, at a
 * server that is not quite itself.
 */
const ROLES = [
  'no token',
  'invalid token',
  'stranger',
  'other entity',
  'submitter token',
  'submitter entity',
  'reader',
  'updater',
  'deleter',
  'sealed',
  'draining',
] as const
type Role = (typeof ROLES)[number]

const everybody = (answer: string) => Object.fromEntries(ROLES.map(role => [role, answer])) as Record<Role, string>
/** Whoever has no power over the job cannot tell it from one that there is not; whoever has another one is told so. */
const withPower = (power: 'reader' | 'updater' | 'deleter') => ({
  ...everybody('ok'),
  'no token': 'token_missing',
  'invalid token': 'token_refused',
  stranger: 'job_not_found',
  'other entity': 'job_not_found',
  reader: 'not_permitted',
  updater: 'not_permitted',
  deleter: 'not_permitted',
  [power]: 'ok',
})
const callers = (answer: string, rest: Partial<Record<Role, string>> = {}) => ({
  ...everybody(answer),
  'no token': 'token_missing',
  'invalid token': 'token_refused',
  ...rest,
})

const ANY_JOB = 'a'.repeat(24)
const TABLE: Record<string, Record<Role, string>> = {
  'GET /v1/api/openapi.json': everybody('ok'),
  'GET /v1/api/metrics': everybody('ok'),
  'GET /v1/api/health': everybody('ok'),
  'GET /v1/api/live': everybody('ok'),
  'GET /v1/api/ready': { ...everybody('ok'), sealed: 'unready' },
  'GET /v1/api/vault/info': everybody('ok'),
  'GET /v1/api/queues': callers('hidden', { reader: 'shown' }),
  // the authority that comes with it is the permission: a wrong one is refused, which shows that the caller was not
  'POST /v1/api/job': callers('wrap_invalid', { sealed: 'server_sealed' }),
  'GET /v1/api/job': callers('shown', {
    stranger: 'hidden',
    'other entity': 'hidden',
    updater: 'hidden',
    deleter: 'hidden',
  }),
  'GET /v1/api/job/:id': withPower('reader'),
  'GET /v1/api/job/:id/output': withPower('reader'),
  'POST /v1/api/job/kill/:id': withPower('updater'),
  'DELETE /v1/api/job/:id': withPower('deleter'),
}

let t: TestHttp
let sealed: Awaited<ReturnType<TestHttp['sealed']>>
const tokens = new Map<Role, Secret>()
let alice: Caller

beforeAll(async () => {
  t = await startTestHttp()
  await t.stack.write('sys/auth/userpass', { type: 'userpass' })
  const login = async (name: string) => {
    await t.stack.write(`auth/userpass/users/${name}`, { password: 'x', policies: 'default' })
    const path = `auth/userpass/login/${name}`
    const answer = await t.stack.vault.send({ method: 'POST', path, token: null, body: { password: 'x' } })
    return answer?.auth?.token ?? expect.fail('no login')
  }
  const [hers, his] = [await login('alice'), await login('bob')]
  for (const [role, power] of [
    ['reader', 'read'],
    ['updater', 'update'],
    ['deleter', 'delete'],
  ] as const) {
    const policy = `path "writ/queues/team" { capabilities = ["${power}"] }`
    await t.stack.write(`sys/policies/acl/${role}`, { policy })
    tokens.set(role, await t.stack.token({ policies: ['default', role] }))
  }
  tokens.set('invalid token', new Secret('s.invalid'))
  tokens.set('stranger', await t.stack.token({ policies: ['default'] }))
  tokens.set('other entity', his)
  for (const role of ['submitter token', 'sealed', 'draining'] as const) tokens.set(role, hers)
  tokens.set('submitter entity', await login('alice'))
  alice = await identifyCaller(t.stack.vault, hers)
  sealed = await t.sealed()
})
afterAll(async () => {
  await sealed.app.close()
  await t.close()
})

/** A job of Alice's that waits, or one that has ended, whose output does too. */
async function jobOfAlice(ended: boolean): Promise<string> {
  const id = await t.queue({ qname: 'team', submitterEntity: alice.entity, submitterAccessorHash: alice.accessorHash })
  if (ended) await sql`update jobs set status = 'success', ended_at = now() where id = ${id}`.execute(t.engine.db)
  return id
}

async function outcome(route: string, role: Role, id: string): Promise<string> {
  const [method = 'GET', pattern = ''] = route.split(' ')
  const server = role === 'sealed' ? sealed : t
  t.state.draining = role === 'draining'
  const options = { method: method as 'GET', ...(method === 'POST' ? { payload: SUBMISSION } : {}) }
  const answer = await server.ask(pattern.replace(':id', id), tokens.get(role) ?? null, options)
  if (answer.http === 503 && answer.body?.ready === false) return 'unready'
  if (answer.http !== 200) return answer.body?.code ?? String(answer.http)
  if (!pattern.endsWith('/queues') && pattern !== '/v1/api/job') return 'ok'
  if (method !== 'GET') return 'ok'
  const list: { _id?: string; qname: string }[] = answer.body.data
  return list.some(item => item._id === id || (item._id === undefined && item.qname === 'team')) ? 'shown' : 'hidden'
}

const SUBMISSION = JSON.stringify({ container_image: 'busybox', run: ['true'], wrap_secret_id: 's.nonsense' })

test('every route has an entry, and every entry a route', () => {
  const routes = t.app.knownRoutes.map(({ method, url }) => `${method} ${url}`)
  const ours = routes.filter(route => route.includes(' /v1/api/') && !route.startsWith('HEAD '))
  expect(ours.sort()).toEqual(Object.keys(TABLE).sort())
  // a HEAD is a GET without its answer, and goes through the same checks
  for (const route of routes.filter(name => name.startsWith('HEAD /v1/api/')))
    expect(Object.keys(TABLE)).toContain(route.replace('HEAD', 'GET'))
})

test("every other path is Vault's, for watches: without a good token nothing at all", async () => {
  const others = t.app.knownRoutes.filter(({ url }) => !url.startsWith('/v1/api/'))
  expect(others.length).toBeGreaterThan(0)
  for (const { method, url } of others) {
    // what a parameter must look like has a slash in it
    const path = url.replace('(^(?!api$)[^/]+$)', '').replaceAll(/:\w+/g, 'name').replace('*', 'x')
    for (const role of ['no token', 'invalid token'] as const) {
      const { http } = await t.ask(path, tokens.get(role) ?? null, { method: method as 'GET' })
      expect([400, 403], `${method} ${path} ${role}`).toContain(http)
    }
  }
})

describe.each(Object.entries(TABLE))('%s', (route, expected) => {
  test.each(ROLES)('%s', async role => {
    const id = await jobOfAlice(route.endsWith('/output'))
    expect(await outcome(route, role, id)).toBe(expected[role])
  })
})

test.each(['GET /v1/api/job/:id', 'GET /v1/api/job/:id/output', 'POST /v1/api/job/kill/:id', 'DELETE /v1/api/job/:id'])(
  "%s: somebody else's job and one that there is not: the same answer to the byte, and the same calls to Vault",
  async route => {
    const [method = '', pattern = ''] = route.split(' ')
    const theirs = await jobOfAlice(true)
    const seen: string[] = []
    for (const id of [theirs, ANY_JOB]) {
      for (const role of ['stranger', 'other entity'] as const) {
        const before = t.stack.calls.length
        const answer = await t.ask(pattern.replace(':id', id), tokens.get(role), { method: method as 'GET' })
        const { date: _date, ...headers } = answer.headers
        const calls = t.stack.calls.slice(before)
        seen.push(JSON.stringify([answer.http, headers, answer.text, calls]))
      }
    }
    expect(new Set(seen).size).toBe(1)
  },
)
