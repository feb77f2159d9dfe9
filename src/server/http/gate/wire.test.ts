import type { FastifyInstance } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import type { GateBench } from '../../../../test/gate.ts'
import { startGateApp } from '../../../../test/gate-app.ts'
import type { GateHttpSettings } from './settings.ts'

let bench: GateBench
let app: FastifyInstance
afterEach(async () => {
  await app.close()
  await bench.close()
})

async function start(settings: Partial<GateHttpSettings>, options: Parameters<typeof GateBench.start>[0] = {}) {
  ;({ app, bench } = await startGateApp({ legacyAdmin: true, ...settings }, options))
}

type Headers = Record<string, string>
const JSON_TYPE = { 'content-type': 'application/json' }

async function post(url: string, body?: unknown, headers: Headers = JSON_TYPE) {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  return await app.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) })
}
async function get(url: string, headers: Headers = {}) {
  return await app.inject({ method: 'GET', url, headers })
}
const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Both versions' clients are answered at once: what version 1 says is a part of it. */
async function expectAnswer(answer: Promise<Awaited<ReturnType<typeof post>>>, code: number, body: object) {
  const { statusCode, headers, json } = await answer
  expect({ code: statusCode, body: json() }).toMatchObject({ code, body })
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
}

const root = () => bench.stack.root.reveal()
const minutes = (n: number) => new Date(Date.now() - n * 60_000)

describe('version 1, appendix A', () => {
  test('sealed', async () => {
    await start({}, { sealed: true })
    const { statusCode, body } = await get('/status.json')
    expect(statusCode).toBe(200)
    expect(body).toMatch(
      /^\{"stats":\{"requests":0,"successful":0,"denied":0,"failed":0\},"uptime":"[\d.]+m?s","status":"Sealed","started":"20\d\d-[^"]+Z","ok":true,"version":"dev","provider":"mesos",/,
    )
    const sealed = { status: 'Sealed', ok: false, error: 'Gatekeeper is sealed.' }
    await expectAnswer(post('/token', { task_id: 't' }), 503, sealed)
    await expectAnswer(post('/token', '{bad'), 503, sealed)
    await expectAnswer(post('/policies/reload'), 503, sealed)
  })

  test('unsealing', async () => {
    await start({}, { sealed: true })
    const refused = (error: string) => ({ status: 'Sealed', ok: false, error })
    await expectAnswer(post('/unseal', { type: 'zzz' }), 400, refused('Unknown method for authorization.'))
    await expectAnswer(post('/unseal', {}), 400, refused('Unknown method for authorization.'))
    await expectAnswer(post('/unseal', { type: 'token', token: 'bad' }), 403, refused('403: permission denied'))
    await expectAnswer(
      post('/unseal', '{bad'),
      400,
      refused("invalid character 'b' looking for beginning of object key string"),
    )
    await expectAnswer(post('/unseal', ''), 400, refused('EOF'))
    const good = { type: 'token', token: root() }
    const first = await post('/unseal', good)
    expect(first.json()).toMatchObject({ status: 'Unsealed', ok: true })
    expect(first.json()).not.toHaveProperty('error')
    await expectAnswer(post('/unseal', good), 200, { status: 'Unsealed', ok: true, error: 'Already unsealed.' })
    await expectAnswer(post('/seal'), 200, { status: 'Sealed', ok: true })
    await expectAnswer(post('/seal'), 200, { status: 'Sealed', ok: true })
  })

  test('tokens', async () => {
    await start({}, { policies: { '*': { policies: ['default'] }, many: { multi_fetch: true, multi_fetch_limit: 1 } } })
    bench.scheduler.tasks
      .set('fresh', {})
      .set('old', { startedAt: minutes(9) })
      .set('m', { name: 'many' })
    const refused = (error: string) => ({ status: 'Unsealed', ok: false, error })
    const { statusCode, json } = await post('/token', { task_id: 'fresh' })
    expect(statusCode).toBe(200)
    expect(json()).toEqual({
      status: 'Unsealed',
      ok: true,
      token: expect.stringMatching(/^\S{20,}$/),
      unsealed: true,
      ttl: '2m0s',
      vault_addr: 'http://vault.example:8200/',
    })
    const again = refused('This task has already been given a token.')
    await expectAnswer(post('/token', { task_id: 'fresh' }), 403, again)
    const old = refused('This task has been running too long to request a token.')
    await expectAnswer(post('/token', { task_id: 'old' }), 403, old)
    await expectAnswer(post('/token', { task_id: 'unknown' }), 403, refused('No such task.'))
    await expectAnswer(post('/token', { task_id: '' }), 403, refused('No such task.'))
    await expectAnswer(post('/token', {}), 403, refused('No such task.'))
    await expectAnswer(post('/token', ''), 400, refused('EOF'))
    const number = 'json: cannot unmarshal number into Go struct field .task_id of type string'
    await expectAnswer(post('/token', { task_id: 1 }), 400, refused(number))
    expect((await post('/token', { task_id: 'm' })).statusCode).toBe(200)
    const most = refused('Maximum number of tokens given to this task.')
    await expectAnswer(post('/token', { task_id: 'm' }), 403, most)
    expect((await get('/status.json')).json().stats).toEqual({ requests: 10, successful: 2, denied: 8, failed: 0 })
  })

  test('keys in any case, whatever the content type, and only the first value', async () => {
    await start({})
    for (const n of [1, 2, 3]) bench.scheduler.tasks.set(`t${n}`, {})
    expect((await post('/token', '{"TASK_ID":"t1"}trailing')).statusCode).toBe(200)
    expect((await post('/token', '{"Task_Id":"t2","x":{"y":[1]}}', { 'content-type': 'text/plain' })).statusCode).toBe(
      200,
    )
    expect((await post('/token', '{"task_id":"t3"}', FORM)).statusCode).toBe(200)
  })

  test('paths', async () => {
    await start({})
    const redirect = await post('/token/')
    expect([redirect.statusCode, redirect.headers.location]).toEqual([307, '/token'])
    const moved = await get('/status.json/')
    expect([moved.statusCode, moved.headers.location]).toEqual([301, '/status.json'])
    for (const answer of [await get('/token'), await get('/x'), await post('/x'), await get('//evil.example/')]) {
      expect([answer.statusCode, answer.body]).toEqual([404, '404 page not found'])
      expect(answer.headers['content-type']).toContain('text/plain')
    }
    expect((await app.inject({ method: 'HEAD', url: '/status.json' })).statusCode).toBe(404)
  })

  test('a status of its own while sealed', async () => {
    await start({ sealedStatus: 429 }, { sealed: true })
    expect((await get('/status.json')).statusCode).toBe(429)
    expect((await get('/', { accept: 'text/html' })).statusCode).toBe(200)
    await post('/unseal', { type: 'token', token: root() })
    expect((await get('/status.json')).statusCode).toBe(200)
  })

  test('the page to all but those who want exactly JSON', async () => {
    await start({})
    for (const accept of ['text/html', '*/*', 'application/json, text/plain']) {
      expect((await get('/', { accept })).headers['content-type']).toBe('text/html; charset=utf-8')
    }
    expect((await get('/', { accept: 'application/json' })).json()).toMatchObject({ ok: true, status: 'Unsealed' })
  })

  test('policies that cannot be loaded: the prefix of the original', async () => {
    await start({}, { sealed: true })
    const token = await bench.stack.token({ policies: ['default'], ttl: '1h' })
    const error = expect.stringMatching(/^Error loading policy from vault: 403: permission denied/)
    await expectAnswer(post('/unseal', { type: 'token', token: token.reveal() }), 403, { error, ok: false })
  })

  test("Vault's side of one issue (§8.6)", async () => {
    await start({}, { policies: { '*': { policies: ['app'], meta: { foo: 'bar' }, ttl: 3000 } } })
    bench.scheduler.tasks.set('t', {})
    const { vault } = bench.stack
    const calls: Parameters<typeof vault.send>[0][] = []
    const send = vault.send.bind(vault)
    vault.send = async call => {
      calls.push(call)
      return await send(call)
    }
    expect((await post('/token', { task_id: 't' })).statusCode).toBe(200)
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST auth/token/create'])
    expect(JSON.stringify(calls[0]?.body)).toBe(
      '{"ttl":"50m0s","policies":["app"],"meta":{"foo":"bar"},"num_uses":0,"no_parent":true,"renewable":true}',
    )
    expect(calls[0]?.wrapTtl).toBe('120')
  })
})

describe('unsealing by version 1 in other forms (§2.4)', () => {
  const cases: [string, string, Headers, number][] = [
    ['JSON with a charset', '', { 'content-type': 'application/json; charset=utf-8' }, 200],
    ['JSON in capitals', '', { 'content-type': 'Application/JSON' }, 200],
    ['no type at all', '', {}, 400],
    ['text', '', { 'content-type': 'text/plain' }, 400],
  ]
  test.each(cases)('%s', async (_, __, headers, code) => {
    await start({}, { sealed: true })
    expect((await post('/unseal', { type: 'token', token: root() }, headers)).statusCode).toBe(code)
  })

  test('a form, also with a charset, also of several parts', async () => {
    await start({}, { sealed: true })
    const fields = { auth_type: 'token', token_token: root() }
    for (const headers of [FORM, { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }]) {
      await expectAnswer(post('/unseal', form(fields), headers), 200, { status: 'Unsealed', ok: true })
      await post('/seal')
    }
    const boundary = `----------------------------${Date.now()}`
    const part = (name: string, value: string) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    const parts = `${part('auth_type', 'token')}${part('token_token', root())}--${boundary}--\r\n`
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
    await expectAnswer(post('/unseal', parts, headers), 200, { ok: true })
  })

  test('user name and password from the page, by either name of the fields', async () => {
    await start({}, { sealed: true })
    await bench.stack.write('sys/auth/userpass', { type: 'userpass' })
    await bench.stack.write('sys/policies/acl/all', {
      policy: 'path "*" { capabilities = ["read", "update", "sudo"] }',
    })
    await bench.stack.write('auth/userpass/users/ann', { password: 'pw', token_policies: 'all' })
    for (const name of ['userpass', 'username']) {
      const fields = { auth_type: 'userpass', [`${name}_username`]: 'ann', [`${name}_password`]: 'pw' }
      await expectAnswer(post('/unseal', form(fields), FORM), 200, { status: 'Unsealed' })
      await post('/seal')
    }
  })

  test('an unknown way to a user id: one answer, not two', async () => {
    await start({}, { sealed: true })
    const fields = { auth_type: 'app-id', 'app-id_userid_method': 'zz' }
    const error = 'Unknown method specified for user id.'
    await expectAnswer(post('/unseal', form(fields), FORM), 400, { ok: false, error })
  })
})

describe('a credential in the URL, which version 1 took for a part of the form (§2.4)', () => {
  test.each(['v1', 'v2'] as const)('%s: is refused, says why, and is in no line of the log', async wire => {
    await start({ wire }, { sealed: true })
    const answers = [
      post(`/unseal?${form({ auth_type: 'token', token_token: root() })}`, '', FORM),
      post(`/unseal?${form({ token_token: root() })}`, form({ auth_type: 'token' }), FORM),
      post(`/unseal?${form({ token: root() })}`, { type: 'token', token: root() }),
      post(`/unseal?${form({ vault_token: root() })}`, { type: 'token', token: root() }),
    ]
    for (const answer of answers) await expectAnswer(answer, 400, { ok: false, code: 'credential_in_url' })
    expect(bench.identity.state.sealed).toBe(true)
    expect(bench.lines.join('')).not.toContain(root())
  })

  test('anything else in the URL is nobody’s business', async () => {
    await start({}, { sealed: true })
    await expectAnswer(post('/unseal?pretty=1', { type: 'token', token: root() }), 200, { ok: true })
  })
})

describe('version 2', () => {
  test('paths', async () => {
    await start({ wire: 'v2' })
    const wrong = await get('/token')
    expect([wrong.statusCode, wrong.body]).toEqual([405, ''])
    expect(wrong.headers['content-type']).toContain('application/json')
    for (const url of ['/status/', '/token/', '/x']) {
      const answer = await get(url)
      expect([answer.statusCode, answer.body]).toEqual([404, '404 page not found\n'])
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      })
    }
    expect((await post('/token/')).statusCode).toBe(404)
    expect((await get('/')).json()).toMatchObject({ ok: true })
    expect((await get('/', { accept: 'text/html' })).headers['content-type']).toContain('text/html')
  })

  test('a request of version 2 is answered as one, whatever the gate is set to', async () => {
    await start({ wire: 'v1' }, { sealed: true, policies: { 'mesos:*': { roles: ['app'], num_uses: 1 } } })
    await expectAnswer(post('/unseal', { method: 'token', token: 'bad' }), 401, { unsealed: false, ok: false })
    await expectAnswer(post('/unseal', { method: 'token', token: root() }), 200, { unsealed: true, ok: true })
    await expectAnswer(post('/token', { task_id: 'unknown', role: 'app' }), 401, { error: 'Task not found.' })
    expect((await get('/status')).statusCode).toBe(200)
  })
})
