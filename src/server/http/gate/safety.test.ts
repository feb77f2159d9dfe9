import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import type { FastifyReply } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { startGateApp } from '../../../../test/gate-app.ts'
import { testsAreInContainer } from '../../../../test/own-container.ts'
import { ERRORS } from '../../../protocol/errors.ts'
import { fingerprint } from '../../../protocol/fingerprint.ts'
import { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'
import { untilGone } from './caller.ts'

let stack: Awaited<ReturnType<typeof startGateApp>>
afterEach(async () => {
  await stack.close()
})

const post = async (url: string, body?: unknown, headers: Record<string, string> = {}) =>
  await stack.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body ?? {}),
  })

async function tokenWith(...capabilities: string[]): Promise<string> {
  const list = capabilities.map(one => `"${one}"`).join(', ')
  await stack.bench.stack.write('sys/policies/acl/admin', { policy: `path "writ/gate" { capabilities = [${list}] }` })
  return (await stack.bench.stack.token({ policies: ['admin', 'default'], ttl: '1h' })).reveal()
}

describe('administration', () => {
  test.each(['/seal', '/policies/reload'])('%s needs update on writ/gate', async path => {
    stack = await startGateApp({})
    const refused = { statusCode: 403 }
    expect(await post(path)).toMatchObject(refused)
    expect((await post(path)).json()).toMatchObject({ ok: false, code: 'gate_not_permitted' })
    for (const token of ['canary', await tokenWith('read'), await tokenWith('read', 'create', 'delete', 'sudo')]) {
      expect(await post(path, {}, { 'x-vault-token': token })).toMatchObject(refused)
    }
    expect(stack.bench.identity.state.sealed).toBe(false)
    for (const header of ['x-vault-token', 'x-auth-token']) {
      expect(await post('/policies/reload', {}, { [header]: await tokenWith('update') })).toMatchObject({
        statusCode: 200,
      })
    }
    const bearer = { authorization: `Bearer ${await tokenWith('update')}` }
    expect(await post(path, {}, bearer)).toMatchObject({ statusCode: 200 })
  })

  test('who sealed, unsealed and reloaded is on the audit trail, and no credential is', async () => {
    stack = await startGateApp({})
    const { bench } = stack
    const admin = await tokenWith('update')
    const { accessor } = await lookupSelf(bench.stack.vault, new Secret(admin))
    await post('/policies/reload', {}, { 'x-vault-token': admin })
    await post('/seal', {}, { 'x-vault-token': admin })
    await post('/unseal', { type: 'token', token: bench.stack.root.reveal() })
    const detail = { name: 'token', accessor_hash: fingerprint(new Secret(accessor)) }
    const actor = '127.0.0.1'
    expect(bench.trail).toEqual([
      { action: 'gate.policies_reloaded', actor, detail: { ...detail, policies: 1 } },
      { action: 'gate.sealed', actor, detail },
      { action: 'gate.unsealed', actor, detail: { method: 'token' } },
    ])
    const told = JSON.stringify(bench.trail) + bench.lines.join('')
    for (const entry of bench.trail) expect(told).toContain(entry.action)
    for (const secret of [admin, accessor, bench.stack.root.reveal()]) expect(told).not.toContain(secret)
  })

  test('without its entry on the trail nothing is unsealed or reloaded, but what is to be sealed is', async () => {
    stack = await startGateApp({ legacyAdmin: true })
    const { bench } = stack
    bench.trailFails = true
    await bench.stack.write('secret/data/gatekeeper', { data: { a: { policies: ['x'] }, b: { policies: ['x'] } } })
    expect(await post('/policies/reload')).toMatchObject({ statusCode: 503 })
    expect((await stack.app.inject('/status.json')).json()).toMatchObject({ policies: 1, problem: '' })
    expect(await post('/seal')).toMatchObject({ statusCode: 200 })
    const unseal = { type: 'token', token: bench.stack.root.reveal() }
    expect((await post('/unseal', unseal)).json()).toMatchObject({ ok: false, code: 'store_unavailable' })
    expect(bench.identity.state.sealed).toBe(true)
    expect(bench.lines.join('')).toContain('administration is not on the audit trail')
    bench.trailFails = false
    expect(await post('/unseal', unseal)).toMatchObject({ statusCode: 200 })
    expect(bench.trail.map(({ action }) => action)).toEqual(['gate.unsealed'])
  })

  test('when Vault cannot be asked, the answer is no', async () => {
    stack = await startGateApp({})
    const token = await tokenWith('update')
    stack.bench.stack.dev.seal()
    expect((await post('/seal', {}, { 'x-vault-token': token })).statusCode).toBe(503)
    stack.bench.stack.dev.unseal()
    expect(stack.bench.identity.state.sealed).toBe(false)
  })

  test('anybody may with WRIT_GATE_LEGACY_ADMIN, and the status says so', async () => {
    stack = await startGateApp({ legacyAdmin: true })
    const { json } = await stack.app.inject('/status.json')
    expect(json()).toMatchObject({ legacy_admin: true })
    expect((await post('/seal')).statusCode).toBe(200)
    expect(stack.bench.lines.join('')).toContain('administration without authentication')
  })

  test.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('a page of another site cannot seal, nor unseal: %j', async headers => {
    stack = await startGateApp({ legacyAdmin: true })
    expect((await post('/seal', {}, headers as Record<string, string>)).statusCode).toBe(403)
    expect(stack.bench.identity.state.sealed).toBe(false)
    await post('/seal')
    const root = stack.bench.stack.root.reveal()
    const unseal = await post('/unseal', { type: 'token', token: root }, headers as Record<string, string>)
    expect(unseal.statusCode).toBe(403)
    expect(stack.bench.identity.state.sealed).toBe(true)
  })

  test.each(['cert', 'tls', 'aws', 'aws-ec2'])(
    'unsealing by %s proves who the gate is: who asks needs update on writ/gate',
    async type => {
      stack = await startGateApp({}, { sealed: true })
      const { dev } = stack.bench.stack
      const asked: string[] = []
      const { identity } = stack.bench
      identity.unseal = async ({ kind }) => asked.push(kind) > 0
      for (const token of ['', 'canary', await tokenWith('read')]) {
        const refused = await post('/unseal', { type }, token ? { 'x-vault-token': token } : {})
        expect(refused.json()).toMatchObject({ code: 'gate_not_permitted' })
      }
      const form = { 'content-type': 'application/x-www-form-urlencoded' }
      expect((await post('/unseal', `auth_type=${type}`, form)).json()).toMatchObject({ code: 'gate_not_permitted' })
      expect(asked).toEqual([])
      const admin = await tokenWith('update')
      dev.seal()
      expect((await post('/unseal', { type }, { 'x-vault-token': admin })).statusCode).toBe(503)
      dev.unseal()
      expect(asked).toEqual([])
      await post('/unseal', { type }, { 'x-vault-token': admin })
      await post('/unseal', `auth_type=${type}&vault_token=${admin}`, form)
      expect(asked).toHaveLength(2)
    },
  )

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('%s is no method', async type => {
    stack = await startGateApp({}, { sealed: true })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    for (const key of ['type', 'method']) {
      const { statusCode, json } = await post('/unseal', `{"${key}":"${type}"}`)
      expect({ statusCode, code: json().code }).toEqual({
        statusCode: key === 'type' ? 400 : 422,
        code: 'login_method_unknown',
      })
    }
    expect((await post('/unseal', `auth_type=${type}`, form)).statusCode).toBe(400)
  })

  test('no file but the configured one is read for an app id, and no answer tells which there are', async () => {
    stack = await startGateApp({ userId: { method: 'file', path: '/etc/hostname' } }, { sealed: true })
    const ask = async (path: string) =>
      (await post('/unseal', { type: 'app-id', app_id: 'a', user_id_method: 'file', user_id_path: path })).body
    expect(await ask('/etc/passwd')).toBe(await ask('/nowhere'))
    expect(await ask('/etc/passwd')).toContain('USER_ID_PATH')
  })

  test('attempts to unseal are limited', async () => {
    stack = await startGateApp({ unsealRate: 5 }, { sealed: true })
    const codes = []
    for (let n = 0; n < 8; n++) codes.push((await post('/unseal', { type: 'token', token: 'x' })).statusCode)
    expect(codes).toEqual([403, 403, 403, 403, 403, 429, 429, 429])
  })
})

test('a page of another site cannot ask for the token of a task, and so burn it', async () => {
  stack = await startGateApp({})
  stack.bench.scheduler.tasks.set('t1', {})
  const plain = { 'content-type': 'text/plain' }
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    const { statusCode, json } = await post('/token', { task_id: 't1' }, { ...plain, ...headers } as Record<
      string,
      string
    >)
    expect({ statusCode, code: json().code }).toEqual({ statusCode: 403, code: 'gate_not_permitted' })
  }
  expect((await post('/token', { task_id: 't1' }, plain)).statusCode).toBe(200)
})

test.skipIf(testsAreInContainer)('on a Unix socket, requests are counted by who asks, as the kernel says', async () => {
  stack = await startGateApp({ tokenRate: 3 })
  const folder = mkdtempSync(join(tmpdir(), 'writ-rate-'))
  chmodSync(folder, 0o755)
  const path = join(folder, 'gate.sock')
  try {
    await stack.app.listen({ path })
    chmodSync(path, 0o666)
    const ask = async (uid: number) => {
      const args = [
        '-s',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '--unix-socket',
        path,
        '-d',
        '{}',
        'http://gate/token',
      ]
      return (await promisify(execFile)('curl', args, { uid })).stdout
    }
    const codes = []
    for (let n = 0; n < 5; n++) codes.push(await ask(4001))
    expect(codes).toEqual(['403', '403', '403', '429', '429'])
    expect(await ask(4002)).toBe('403')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('who was gone before anybody listened is gone', async () => {
  stack = await startGateApp({})
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const [, raw] = (await once(server, 'request')) as [unknown, ServerResponse]
  expect(untilGone({ raw } as Pick<FastifyReply, 'raw'>, 60_000).aborted).toBe(false)
  client.destroy()
  await once(raw, 'close')
  expect(untilGone({ raw } as Pick<FastifyReply, 'raw'>, 60_000).aborted).toBe(true)
  server.close()
})

test('requests of one address are limited, with the seconds to wait', async () => {
  stack = await startGateApp({ tokenRate: 3 })
  for (let n = 0; n < 3; n++) expect((await post('/token', { task_id: 'x' })).statusCode).toBe(403)
  const { statusCode, headers } = await post('/token', { task_id: 'x' }, { 'x-forwarded-for': '10.9.9.9' })
  expect(statusCode).toBe(429)
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
})

test('who was refused, with address and task, is a line of the log; a flood is a few of them and a number', async () => {
  stack = await startGateApp({})
  const { bench } = stack
  await post('/token', { task_id: 'gone.1' })
  await post('/token', { task_id: 'not an id: canary' })
  const refused = bench.lines.filter(line => line.includes('no token')).map(line => JSON.parse(line))
  expect(refused).toMatchObject([
    { code: 'task_not_found', task: 'gone.1', address: '127.0.0.1' },
    { code: 'task_id_invalid', address: '127.0.0.1' },
  ])
  expect(bench.lines.join('')).not.toContain('canary')
  for (let n = 0; n < 3_000; n++) await post('/token', { task_id: 'gone.2' })
  const before = bench.lines.length
  expect(before).toBeLessThan(2_500)
  bench.gate.refusals.tell()
  const { without } = JSON.parse(bench.lines[before] ?? '{}') as { without: Record<string, number> }
  expect((without.task_not_found ?? 0) + (without['HTTP 403'] ?? 0) + before).toBeGreaterThanOrEqual(6_000)
})

test('a body of more than 64 kB is not read', async () => {
  stack = await startGateApp({})
  const { statusCode, json } = await post('/token', { task_id: 'x'.repeat(70_000) })
  expect({ statusCode, code: json().code }).toEqual({ statusCode: 413, code: 'body_too_large' })
})

test('ten thousand hostile requests: no token, no fault, a code of the registry each time', async () => {
  stack = await startGateApp({})
  stack.bench.scheduler.tasks.set('known', { startedAt: new Date(0) })
  const piece = fc.oneof(
    fc.constantFrom(
      '../',
      '..%2f',
      '/',
      '\\',
      '\0',
      '\n',
      '\r\nX: y',
      '{{name}}',
      '%00',
      '\u202e',
      'known',
      '*',
      '"',
      '<b>',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  )
  const id = fc.oneof(
    { weight: 20, arbitrary: fc.array(piece, { maxLength: 6 }).map(parts => parts.join('')) },
    { weight: 1, arbitrary: fc.constant('x'.repeat(10_000)) },
    { weight: 2, arbitrary: fc.constant('known') },
  )
  const body = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ task_id: id }, { requiredKeys: ['task_id'] }).map(value => JSON.stringify(value)),
    },
    { weight: 3, arbitrary: fc.record({ task_id: id, scheduler: id, role: id }).map(value => JSON.stringify(value)) },
    { weight: 2, arbitrary: fc.json() },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  )
  const header = fc.constantFrom(
    'x-forwarded-for',
    'forwarded',
    'x-real-ip',
    'content-type',
    'gatekeeper-proxy',
    'x-vault-token',
  )
  const value = fc.string({ unit: fc.constantFrom(...'abc127.0;=/"*'), maxLength: 30 })
  const codes = new Set(Object.keys(ERRORS))
  await fc.assert(
    fc.asyncProperty(body, header, value, async (payload, name, text) => {
      const { statusCode, json } = await stack.app.inject({
        method: 'POST',
        url: '/token',
        headers: { [name]: text },
        payload,
      })
      const answer = json()
      expect(statusCode).toBeGreaterThanOrEqual(400)
      expect(answer).not.toHaveProperty('token')
      expect(codes).toContain(answer.code)
      expect(answer.code).not.toBe('internal')
    }),
    { numRuns: 10_000 },
  )
  // no line of the log was forged: each is one of ours
  for (const line of stack.bench.lines.join('').trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
}, 120_000)
