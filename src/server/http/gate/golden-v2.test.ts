import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GateBench } from '../../../../test/gate.ts'
import { startGateApp } from '../../../../test/gate-app.ts'
import type { Task } from '../../gate/schedulers/scheduler.ts'

/** Version 2's exchanges, one after the other, on one gate that is set to its answers (gatekeeper.md, appendix B, §13). */

let bench: GateBench
let app: FastifyInstance
/** May what version 2's shipped policy lets the gate do with the roles `app` and `gone`, and nothing with `denied`. */
let operator: string

const POLICIES = {
  'mesos:a*': { roles: ['app', 'gone', 'denied'], num_uses: 1 },
  'mesos:more': { roles: ['app'], num_uses: 2 },
}
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)
const TASKS: Record<string, Partial<Task>> = {
  fresh: { addresses: ['127.0.0.1'] },
  form: { addresses: ['127.0.0.1'] },
  second: { addresses: ['127.0.0.1'] },
  old: { startedAt: ago(9), addresses: ['127.0.0.1'] },
  elsewhere: { addresses: ['10.0.0.9'] },
  nowhere: {},
  unmatched: { name: 'x', addresses: ['127.0.0.1'] },
  broken: { startedAt: new Date(Number.NaN), addresses: ['127.0.0.1'] },
}
const RIGHTS = [
  'path "secret/metadata/gatekeeper/" { capabilities = ["list"] }',
  'path "secret/data/gatekeeper" { capabilities = ["read"] }',
  ...['app', 'gone'].map(role => `path "auth/approle/role/${role}/*" { capabilities = ["create", "update", "read"] }`),
]

beforeAll(async () => {
  const settings = {
    hostCheck: true,
    policies: { path: 'secret/data/gatekeeper', nested: true, lastWins: true, renewable: true },
  }
  ;({ app, bench } = await startGateApp(
    { wire: 'v2', legacyAdmin: true },
    { sealed: true, policies: POLICIES, settings },
  ))
  await bench.stack.write('auth/approle/role/app', { token_policies: ['app'] })
  await bench.stack.write('auth/approle/role/denied', { token_policies: ['app'] })
  await bench.stack.write('sys/policies/acl/gate', { policy: RIGHTS.join('\n') })
  operator = (await bench.stack.token({ policies: ['gate', 'default'], ttl: '1h' })).reveal()
  for (const [id, task] of Object.entries(TASKS)) bench.scheduler.tasks.set(id, task)
})
afterAll(async () => {
  await app.close()
  await bench.close()
})

type Body = Readonly<Record<string, unknown>>
interface Exchange {
  readonly ask: string
  readonly body?: Body | string | (() => Body)
  readonly headers?: Record<string, string>
  readonly code: number
  /** All of version 2's own members. */
  readonly answer: Body
}
/** What `curl -d` says that it sends. */
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

async function send({ ask, body, headers = {} }: Pick<Exchange, 'ask' | 'body' | 'headers'>) {
  const [method, url = ''] = ask.split(' ')
  const said = typeof body === 'function' ? body() : body
  const payload = typeof said === 'object' ? JSON.stringify(said) : said
  return await app.inject({ method: method as 'GET', url, headers, ...(payload === undefined ? {} : { payload }) })
}

/** Beside what version 2 answers: that of version 1, and with a refusal its code and what to do. */
const OURS = ['ok', 'status']
const OF_REFUSALS = [...OURS, 'code', 'remedy']

async function expectExchange(exchange: Exchange): Promise<void> {
  const { statusCode, headers, payload, json } = await send(exchange)
  const { answer, code } = exchange
  expect({ code: statusCode, body: json() }).toMatchObject({ code, body: answer })
  expect(Object.keys(json()).sort()).toEqual(
    [...Object.keys(answer), ...('error' in answer && code !== 200 ? OF_REFUSALS : OURS)].sort(),
  )
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  expect(payload.endsWith('}\n')).toBe(true)
}

const refused = (error: string, unsealed = true) => ({ unsealed, error })
const said = (message: string, unsealed = true) => ({ unsealed, message })

const SEALED: Record<string, Exchange> = {
  'a token, while sealed': {
    ask: 'POST /token',
    body: { task_id: 'fresh' },
    code: 503,
    answer: refused('Unable to provide token: Gatekeeper is sealed.', false),
  },
  'a token, while sealed: what is sent is not read': {
    ask: 'POST /token',
    body: '{bad',
    code: 503,
    answer: refused('Unable to provide token: Gatekeeper is sealed.', false),
  },
  'a reload, while sealed': {
    ask: 'POST /policies/reload',
    code: 503,
    answer: refused('Failed to reload policies: gatekeeper is sealed.', false),
  },
  'unsealing by no method of that name': {
    ask: 'POST /unseal',
    body: { method: 'zz' },
    code: 422,
    answer: refused("Cannot unseal with unknown method: 'zz'", false),
  },
  'unsealing without a method': {
    ask: 'POST /unseal',
    body: {},
    code: 422,
    answer: refused("Cannot unseal with unknown method: ''", false),
  },
  'unsealing with what is no JSON': {
    ask: 'POST /unseal',
    body: '',
    code: 400,
    answer: refused('JSON body could not be decoded: EOF', false),
  },
  'unsealing with a bad token': {
    ask: 'POST /unseal',
    body: { method: 'token', token: 'bad' },
    code: 401,
    answer: refused("Unseal failed with the 'token' method.", false),
  },
  'unsealing with a bad wrapped token, which has another name in the answer': {
    ask: 'POST /unseal',
    body: { method: 'token-wrapped', token: 'bad' },
    code: 401,
    answer: refused("Unseal failed with the 'wrapped-token' method.", false),
  },
  'unsealing with a bad AppRole': {
    ask: 'POST /unseal',
    body: { method: 'approle', role_id: 'bad', secret_id: 'bad' },
    code: 401,
    answer: refused("Unseal failed with the 'approle' method.", false),
  },
  'unsealing with a bad token of GitHub': {
    ask: 'POST /unseal',
    body: { method: 'github', personal_token: 'bad' },
    code: 401,
    answer: refused("Unseal failed with the 'github' method.", false),
  },
  'unsealing as curl sends it, without saying that it is JSON': {
    ask: 'POST /unseal',
    body: { method: 'token', token: 'bad' },
    headers: FORM,
    code: 401,
    answer: refused("Unseal failed with the 'token' method.", false),
  },
  'unsealing with a good token': {
    ask: 'POST /unseal',
    body: () => ({ method: 'token', token: operator }),
    headers: FORM,
    code: 200,
    answer: said("Unseal successful with the 'token' method."),
  },
}

const UNSEALED: Record<string, Exchange> = {
  'a fresh task': {
    ask: 'POST /token',
    body: { task_id: 'fresh' },
    code: 200,
    answer: {
      unsealed: true,
      token: expect.stringMatching(/^\S{20,}$/),
      ttl: '2m0s',
      vault_addr: 'http://vault.example:8200/',
    },
  },
  'its uses are exhausted': {
    ask: 'POST /token',
    body: { task_id: 'fresh' },
    code: 429,
    answer: refused('Maximum number of tokens given to this task.'),
  },
  'whatever the type, as curl sends it': {
    ask: 'POST /token',
    body: { task_id: 'form', scheduler: 'mesos', role: 'app' },
    headers: FORM,
    code: 200,
    answer: { unsealed: true, token: expect.any(String), ttl: '2m0s', vault_addr: 'http://vault.example:8200/' },
  },
  'an old task': {
    ask: 'POST /token',
    body: { task_id: 'old' },
    code: 403,
    answer: refused('This task has been running too long to request a token.'),
  },
  'an unknown task': {
    ask: 'POST /token',
    body: { task_id: 'unknown' },
    code: 401,
    answer: refused('Task not found.'),
  },
  'a scheduler that cannot be believed': {
    ask: 'POST /token',
    body: { task_id: 'broken' },
    code: 500,
    answer: refused('The answer of the scheduler cannot be believed: the task has no start time'),
  },
  'no task': { ask: 'POST /token', body: {}, code: 401, answer: refused('Task not found.') },
  'a task that calls from elsewhere': {
    ask: 'POST /token',
    body: { task_id: 'elsewhere' },
    // nobody's word counts but that of the connection
    headers: { 'x-forwarded-for': '10.0.0.9', 'x-real-ip': '10.0.0.9' },
    code: 401,
    answer: refused(
      "The service's remote address requesting this token does not match the host of the service running this task.",
    ),
  },
  'a task whose address nobody knows': {
    ask: 'POST /token',
    body: { task_id: 'nowhere' },
    code: 401,
    answer: refused(
      "The service's remote address requesting this token does not match the host of the service running this task.",
    ),
  },
  'a scheduler that is not configured': {
    ask: 'POST /token',
    body: { scheduler: 'ecs', task_id: 'fresh' },
    code: 500,
    answer: refused("Provided scheduler 'ecs' is not configured."),
  },
  'a task that no policy is for': {
    ask: 'POST /token',
    body: { task_id: 'unmatched' },
    code: 500,
    answer: refused("Your task doesn't match any configured policy."),
  },
  'a role that is not in the list': {
    ask: 'POST /token',
    body: { task_id: 'second', role: 'other' },
    code: 403,
    answer: refused('Your task does not have permission to use this role.'),
  },
  'a role that is in the list, and not in Vault': {
    ask: 'POST /token',
    body: { task_id: 'second', role: 'gone' },
    code: 403,
    answer: refused('The role requested does not exist.'),
  },
  'a role that Vault does not let the gate use': {
    ask: 'POST /token',
    body: { task_id: 'second', role: 'denied' },
    code: 500,
    answer: refused('403: permission denied'),
  },
  'nothing sent': {
    ask: 'POST /token',
    body: '',
    code: 400,
    answer: refused('JSON body could not be decoded: EOF'),
  },
  'no JSON sent': {
    ask: 'POST /token',
    body: 'x',
    code: 400,
    answer: refused("JSON body could not be decoded: invalid character 'x' looking for beginning of value"),
  },
  'a reload': { ask: 'POST /policies/reload', code: 200, answer: said('Policies reloaded. 2 total policies.') },
  'unsealing by no method of that name, while unsealed': {
    ask: 'POST /unseal',
    body: { method: 'zz' },
    code: 422,
    answer: refused("Cannot unseal with unknown method: 'zz'"),
  },
  'unsealing again, which changes nothing here, whatever is offered': {
    ask: 'POST /unseal',
    body: { method: 'token', token: 'bad' },
    code: 200,
    answer: { unsealed: true, message: 'Already unsealed.', error: 'Already unsealed.' },
  },
  'sealing it': { ask: 'POST /seal', code: 200, answer: said('Gatekeeper sealed.', false) },
  'sealing again': { ask: 'POST /seal', code: 200, answer: said('Gatekeeper sealed.', false) },
}

const STATUS = {
  id: expect.stringMatching(/^[0-9A-Za-z]{27}$/),
  uptime: expect.stringMatching(/^[\d.hm]+(?:ms|µs|s)$/),
  started: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d*[1-9])?Z$/),
  ok: true,
  version: 'dev',
}

describe('version 2, appendix B', () => {
  test.each(['/status', '/'])('GET %s while sealed: 503, and what version 1 says besides', async path => {
    const { statusCode, json, headers } = await send({ ask: `GET ${path}` })
    expect(statusCode).toBe(503)
    const stats = { requests: 0, successful: 0, denied: 0, failed: 0 }
    expect(json()).toMatchObject({ ...STATUS, stats, unsealed: false, status: 'Sealed', provider: 'mesos' })
    expect(json()).not.toHaveProperty('peers')
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
  })

  test('unsealing while Vault is away is an outage, and no wrong credential: 503', async () => {
    bench.stack.dev.seal()
    const { statusCode, json } = await send({ ask: 'POST /unseal', body: { method: 'token', token: operator } })
    expect({ statusCode, code: json().code }).toEqual({ statusCode: 503, code: 'vault_unavailable' })
    bench.stack.dev.unseal()
  })

  test.each(Object.entries(SEALED))('sealed: %s', async (_, exchange) => await expectExchange(exchange))

  test('what unsealing asks of Vault: what version 2 asked, and besides what sort of mount it is and what the token may do', () => {
    const { calls } = bench.stack
    const asked = calls.slice(calls.lastIndexOf('GET secret/data/gatekeeper') - 2)
    expect(asked).toEqual([
      'GET auth/token/lookup-self',
      'GET sys/internal/ui/mounts/secret/data/gatekeeper',
      'GET secret/data/gatekeeper',
      'LIST secret/metadata/gatekeeper/',
      'GET auth/token/lookup-self',
      'POST sys/capabilities-self',
    ])
  })

  test('what a token asks of Vault (§13.6): role id, SecretID, and a login without a token, wrapped', async () => {
    bench.scheduler.tasks.set('asking', { addresses: ['127.0.0.1'] })
    const { vault } = bench.stack
    const send = vault.send.bind(vault)
    const calls: Parameters<typeof send>[0][] = []
    vault.send = async call => {
      calls.push(call)
      return await send(call)
    }
    const { statusCode } = await app.inject({ method: 'POST', url: '/token', payload: '{"task_id":"asking"}' })
    vault.send = send
    expect(statusCode).toBe(200)
    const login = { role_id: expect.any(String), secret_id: expect.any(String) }
    expect(
      calls.map(({ method, path, body, token, wrapTtl }) => [method, path, body, token?.reveal(), wrapTtl]),
    ).toEqual([
      ['GET', 'auth/approle/role/app/role-id', undefined, operator, undefined],
      ['POST', 'auth/approle/role/app/secret-id', {}, operator, undefined],
      ['POST', 'auth/approle/login', login, undefined, '120'],
    ])
  })

  test.each(Object.entries(UNSEALED))('unsealed: %s', async (_, exchange) => await expectExchange(exchange))

  test('what was given and refused is counted', async () => {
    const { stats } = (await send({ ask: 'GET /status' })).json()
    expect(stats).toEqual({ requests: 19, successful: 3, denied: 16, failed: 6 })
  })
})
