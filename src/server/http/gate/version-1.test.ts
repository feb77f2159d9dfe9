import { describe, expect, test } from 'vitest'
import { gateWire, refused } from '../../../../test/gate-wire.ts'
import { WritError } from '../../../protocol/errors.ts'
import { testScheduler } from '../../gate/schedulers/test-scheduler.ts'

/** Facts of version 1 that its golden exchanges do not show (gatekeeper.md §2 and §3). */
const gate = gateWire()
const { start, post, get, told, root } = gate

describe('routes', () => {
  test.each(['/seal', '/unseal', '/token', '/policies/reload'])(
    '%s/ is the same path without the slash, to be asked again with its body',
    async path => {
      await start({})
      const { statusCode, headers } = await post(`${path}/`, '{}')
      expect([statusCode, headers.location]).toEqual([307, path])
      expect(gate.stack.bench.identity.state.sealed).toBe(false)
    },
  )

  test.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'GET'] as const)(
    '%s of a path that is posted to: 404',
    async method => {
      await start({})
      for (const url of ['/seal', '/unseal', '/token', '/policies/reload']) {
        const { statusCode, body, headers } = await gate.stack.app.inject({ method, url })
        expect([statusCode, body]).toEqual([404, method === 'HEAD' ? body : '404 page not found'])
        expect(headers).not.toHaveProperty('access-control-allow-origin')
      }
    },
  )

  test('/seal and /policies/reload read no body', async () => {
    await start({})
    for (const path of ['/policies/reload', '/seal']) expect((await post(path, '{bad')).statusCode).toBe(200)
  })

  test('JSON at / has the status of a sealed one, and the page has not', async () => {
    await start({ sealedStatus: 429 }, { sealed: true })
    expect((await get('/', 'application/json')).statusCode).toBe(429)
    expect((await get('/')).statusCode).toBe(200)
  })

  test('the names of all schedulers, with commas between them', async () => {
    await start({}, { schedulers: [testScheduler(), testScheduler('mesos_test')] })
    expect((await get('/status.json')).json().provider).toBe('mesos,test,mesos_test')
  })

  test('a fault is a 500 that tells nothing of itself', async () => {
    await start({})
    gate.stack.bench.gate.issue = async () => Promise.reject(new Error('canary'))
    const { statusCode, json, body } = await post('/token', { task_id: 't' })
    expect([statusCode, json().code]).toEqual([500, 'internal'])
    expect(body).not.toContain('canary')
  })
})

test('policies that are no good any more: 500, why, and the old ones stay', async () => {
  await start({}, { policies: { a: { policies: ['a'] } } })
  const { write } = gate.stack.bench.stack
  await write('secret/data/gatekeeper', { data: { a: { policies: ['b'], ttl: '1h' } } })
  expect(await told(post('/policies/reload'))).toEqual(refused(500, expect.stringContaining('"a"."ttl"')))
  gate.stack.bench.scheduler.tasks.set('t', { name: 'a' })
  expect((await post('/token', { task_id: 't' })).statusCode).toBe(200)
  const { policies } = await gate.stack.bench.open({ token: await tokenOf('t2'), ttlSeconds: 0 })
  expect(policies).toContain('a')
})

async function tokenOf(id: string) {
  gate.stack.bench.scheduler.tasks.set(id, { name: 'a' })
  return (await gate.stack.bench.ask(id)).token
}

describe('/token', () => {
  test.each([
    ['null', '{"task_id":null}'],
    ['nothing', '{}'],
    ['null as a whole', 'null'],
    ['an empty text', '{"task_id":""}'],
  ])('%s is an id like any other: nobody is called so', async (_, body) => {
    await start({})
    expect(await told(post('/token', body))).toEqual(refused(403, 'No such task.'))
  })

  test('of several reasons, the first of the order is told', async () => {
    await start({}, { sealed: true })
    const ask = async (body: unknown) => (await told(post('/token', body))).error
    const { scheduler } = gate.stack.bench
    const old = { startedAt: new Date(0) }
    expect(await ask('{bad')).toBe('Gatekeeper is sealed.')
    expect(scheduler.lookups).toBe(0)
    await post('/unseal', { type: 'token', token: root() })
    expect(await ask('{bad')).toContain('invalid character')
    expect(await ask({ task_id: 't' })).toBe('No such task.')
    scheduler.tasks.set('t', {})
    expect(await ask({ task_id: 't' })).toBeUndefined()
    expect(await ask({ task_id: 't' })).toBe('This task has already been given a token.')
    // served, and old by now
    scheduler.tasks.set('t', old)
    expect(await ask({ task_id: 't' })).toBe('This task has been running too long to request a token.')
    // and Vault is asked last
    scheduler.tasks.set('t', {})
    const before = gate.stack.bench.stack.calls.length
    await ask({ task_id: 't' })
    expect(gate.stack.bench.stack.calls).toHaveLength(before)
  })

  test.each([
    ['scheduler_unavailable', 500, expect.any(String)],
    ['scheduler_lied', 500, expect.any(String)],
    ['task_not_found', 403, 'No such task.'],
    ['task_not_started', 403, 'This task does not have any statuses.'],
  ] as const)('what the scheduler says: %s', async (code, status, text) => {
    await start({})
    gate.stack.bench.scheduler.instead = async () => Promise.reject(new WritError(code))
    expect(await told(post('/token', { task_id: 't' }))).toEqual(refused(status, text))
  })

  test.each<[string, number, string[], unknown]>([
    ['refuses', 403, ['permission denied'], '403: permission denied'],
    ['does not like the request', 400, ['one', 'two'], '400: one, two'],
    ['knows no such path', 404, [], '404: '],
    ['is broken', 500, ['internal error'], expect.not.stringContaining('internal error')],
  ])('Vault %s: 500', async (_, status, errors, text) => {
    await start({})
    const { vault } = gate.stack.bench.stack
    const { VaultError } = await import('../../../vault/error.ts')
    const send = vault.send.bind(vault)
    vault.send = async call => {
      if (call.path === 'auth/token/create') throw new VaultError({ status, path: call.path, errors })
      return await send(call)
    }
    gate.stack.bench.scheduler.tasks.set('t', {})
    expect(await told(post('/token', { task_id: 't' }))).toEqual(refused(500, text))
  })

  test.each<[object, string]>([
    [{}, '{"ttl":"0s","policies":["default"],"num_uses":0,"no_parent":true,"renewable":true}'],
    [
      { ttl: 60, renewable: false },
      '{"ttl":"1m0s","policies":["default"],"num_uses":0,"no_parent":true,"renewable":false}',
    ],
    [
      { ttl: 1500, meta: {}, num_uses: 3 },
      '{"ttl":"25m0s","policies":["default"],"num_uses":3,"no_parent":true,"renewable":true}',
    ],
    [
      { ttl: 21600, policies: ['a', 'b'], meta: { k: 'v' } },
      '{"ttl":"6h0m0s","policies":["a","b"],"meta":{"k":"v"},"num_uses":0,"no_parent":true,"renewable":true}',
    ],
    [
      { ttl: 2592000, multi_fetch: true, multi_fetch_limit: 2 },
      '{"ttl":"720h0m0s","policies":["default"],"num_uses":0,"no_parent":true,"renewable":true}',
    ],
  ])('what %j asks Vault for', async (policy, body) => {
    await start({}, { policies: { '*': policy } })
    const { vault } = gate.stack.bench.stack
    const bodies: string[] = []
    const send = vault.send.bind(vault)
    vault.send = async call => {
      if (call.path === 'auth/token/create') bodies.push(JSON.stringify(call.body))
      return await send(call)
    }
    gate.stack.bench.scheduler.tasks.set('t', {})
    expect((await post('/token', { task_id: 't' })).statusCode).toBe(200)
    expect(bodies).toEqual([body])
  })

  test('an answer of Vault that is not wrapped is none, and burns nothing', async () => {
    await start({})
    const { vault } = gate.stack.bench.stack
    const send = vault.send.bind(vault)
    vault.send = async call => await send(call.path === 'auth/token/create' ? { ...call, wrapTtl: undefined } : call)
    gate.stack.bench.scheduler.tasks.set('t', {})
    const { statusCode, body } = await post('/token', { task_id: 't' })
    expect(statusCode).toBe(500)
    expect(body).not.toMatch(/hvs\.|"token"/)
    vault.send = send
    expect((await post('/token', { task_id: 't' })).statusCode).toBe(200)
  })

  test('each request is counted, and each that brought no token as denied, whatever the reason', async () => {
    await start({}, { sealed: true })
    const ask = async (body: unknown) => (await post('/token', body)).statusCode
    expect(await ask({ task_id: 't' })).toBe(503)
    await post('/unseal', { type: 'token', token: root() })
    expect(await ask('')).toBe(400)
    expect(await ask({ task_id: 't' })).toBe(403)
    gate.stack.bench.scheduler.instead = async () => Promise.reject(new WritError('scheduler_unavailable'))
    expect(await ask({ task_id: 't' })).toBe(500)
    gate.stack.bench.scheduler.instead = null
    gate.stack.bench.scheduler.tasks.set('t', {})
    expect(await ask({ task_id: 't' })).toBe(200)
    expect((await get('/status.json')).json().stats).toMatchObject({ requests: 5, successful: 1, denied: 4 })
  })
})

describe('the page', () => {
  const names = (html: string) => [...html.matchAll(/ name="([^"]+)"/g)].map(([, name]) => name)
  const methods = (html: string) => [...html.matchAll(/name="auth_type" value="([^"]+)"/g)].map(([, value]) => value)

  test('sealed: every method of version 1, by its names of fields', async () => {
    await start({}, { sealed: true })
    const { statusCode, headers, body } = await get('/', 'text/html')
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(methods(body)).toEqual(
      expect.arrayContaining(['app-id', 'github', 'userpass', 'cubby', 'wrapped-token', 'token', 'aws']),
    )
    const fields =
      'app-id_appid app-id_userid_method app-id_userid_data app-id_userid_hash app-id_userid_salt userpass_username userpass_password github_token token_token cubby_token cubby_path wrapped_token aws_role aws_nonce'
    expect(names(body)).toEqual(expect.arrayContaining(fields.split(' ')))
    expect(body).not.toContain('<script')
    expect(body).not.toMatch(/(?:src|href)=/)
  })

  test('unsealed: one form that seals, and what is counted', async () => {
    await start({})
    gate.stack.bench.scheduler.tasks.set('t', {})
    await post('/token', { task_id: 't' })
    await post('/token', { task_id: 't' })
    const { body } = await get('/', 'text/html')
    expect(body.match(/action="\/seal"/g)).toHaveLength(1)
    expect(methods(body)).toEqual([])
    const text = body.replace(/<style>.*?<\/style>/s, '').replace(/<[^>]+>/g, ' ')
    for (const line of [
      /Unsealed/,
      /Token requests\s+2/,
      /Successful\s+1/,
      /Denied\s+1/,
      /Uptime\s+\d+s/,
      /mesos/,
      /Version\s+dev/,
    ])
      expect(text).toMatch(line)
  })

  test('a browser that sends a form comes back to the page, and others get JSON', async () => {
    await start({}, { sealed: true })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const sent = `auth_type=token&token_token=${root()}`
    const { statusCode, headers } = await post('/unseal', sent, { ...form, accept: 'text/html,*/*' })
    expect([statusCode, headers.location]).toEqual([303, '/?said=unsealed'])
    expect((await post('/unseal', sent, form)).json()).toMatchObject({ ok: true, error: 'Already unsealed.' })
  })
})
