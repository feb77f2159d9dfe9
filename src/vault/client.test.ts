import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { selfSigned } from '../../test/certificate.ts'
import { type Answer, FakeServer, json } from '../../test/fake-server.ts'
import { Vault, type VaultOptions, type VaultRequest } from './client.ts'
import { VaultError } from './error.ts'
import { Secret } from './secret.ts'

const CANARY = 'hvs.canary-c0ffee-0123456789'
const token = new Secret(CANARY)
const DEEP = '['.repeat(50_000) + ']'.repeat(50_000)
const QUICK = { retries: 3, firstDelayMs: 1 }
const READ: VaultRequest = { method: 'GET', path: 'kv/data/app', token }
const WRITE: VaultRequest = { method: 'POST', path: 'auth/token/create', token, body: { ttl: '1m' } }

let fake: FakeServer
const vaults: Vault[] = []

function client(options: Partial<VaultOptions> = {}): Vault {
  const vault = new Vault({ address: fake.address, retry: QUICK, ...options })
  vaults.push(vault)
  return vault
}

const always =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  response =>
    response.writeHead(status, headers).end(body)

/** What it throws. Nothing that is thrown may show the token, however it is printed. */
async function failure(work: Promise<unknown>): Promise<VaultError> {
  const error = await work.then(
    () => expect.fail('no error'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(VaultError)
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain(CANARY)
  expect(JSON.stringify(error) + String(error)).not.toContain(CANARY)
  return error as VaultError
}

beforeEach(async () => {
  fake = await FakeServer.listen(response => json(response, 200, { data: { n: 1 } }))
})
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close()
  await fake.close()
})

test('token, wrapping, namespace and body are those of the call, and of no call before it', async () => {
  const vault = client({ namespace: 'team/a' })
  await vault.send({ ...WRITE, wrapTtl: '5m' })
  await vault.send({ method: 'POST', path: 'sys/wrapping/lookup', token: null })
  await vault.send({ ...READ, token: new Secret('other') })
  const [first, second, third] = fake.seen
  expect(first).toMatchObject({ method: 'POST', url: '/v1/auth/token/create', body: '{"ttl":"1m"}' })
  expect(first?.headers).toMatchObject({
    'x-vault-token': CANARY,
    'x-vault-wrap-ttl': '5m',
    'x-vault-namespace': 'team/a',
    'x-vault-request': 'true',
    'content-type': 'application/json',
  })
  expect(second?.headers).not.toHaveProperty('x-vault-token')
  expect(second?.headers).not.toHaveProperty('x-vault-wrap-ttl')
  expect(second?.body).toBe('')
  expect(third?.headers['x-vault-token']).toBe('other')
})

test('an address may end in a slash and have a path', async () => {
  await client({ address: `${fake.address}/vault//` }).send(READ)
  expect(fake.seen[0]?.url).toBe('/vault/v1/kv/data/app')
})

test('connections are kept: many calls do not make many', async () => {
  const vault = client()
  for (let n = 0; n < 20; n++) await vault.send(READ)
  expect(fake.connections).toBeLessThanOrEqual(2)
})

test('an empty answer is null', async () => {
  fake.answer = always(204, '')
  expect(await client().send(WRITE)).toBeNull()
})

test.each([301, 302, 307, 308])('a redirect (%i) is not followed: the token goes nowhere else', async status => {
  const elsewhere = await FakeServer.listen(response => json(response, 200, {}))
  fake.answer = always(status, '', { location: `${elsewhere.address}/v1/kv/data/app` })
  expect(await failure(client().send(READ))).toMatchObject({ kind: 'unavailable', status })
  expect(elsewhere.seen).toEqual([])
  expect(fake.seen).toHaveLength(1)
  await elsewhere.close()
})

test('TLS: nobody vouches for it, then the configured authority does', async () => {
  const pair = selfSigned()
  const secure = await FakeServer.listen(response => json(response, 200, { data: { n: 2 } }), pair)
  try {
    const refused = await failure(client({ address: secure.address }).send(WRITE))
    expect(refused).toMatchObject({ kind: 'unavailable', errors: ['DEPTH_ZERO_SELF_SIGNED_CERT'] })
    expect(secure.seen).toEqual([])
    const answer = await client({ address: secure.address, ca: pair.cert }).send(WRITE)
    expect(answer?.data).toEqual({ n: 2 })
    // another authority is not enough, nor is the right one with the wrong name
    await failure(client({ address: secure.address, ca: selfSigned().cert }).send(WRITE))
    await failure(client({ address: secure.address, ca: pair.cert, serverName: 'vault.example' }).send(WRITE))
    expect(secure.seen).toHaveLength(1)
  } finally {
    await secure.close()
  }
})

test.each(['GET', 'POST', 'PUT', 'DELETE'] as const)('%s: refused before anything happened, so again', async method => {
  for (const status of [412, 429, 472, 473, 503]) {
    fake.seen.length = 0
    fake.answer = (response, _request, count) =>
      count < 3 ? json(response, status, { errors: ['busy'] }) : json(response, 200, { data: { status } })
    expect((await client().send({ ...READ, method }))?.data).toEqual({ status })
    expect(fake.seen).toHaveLength(3)
  }
})

test.each([400, 403, 404, 405, 500, 502, 504])('%i is an answer: asked once', async status => {
  fake.answer = always(status, '{"errors":["no"]}')
  for (const call of [READ, WRITE]) {
    fake.seen.length = 0
    expect(await failure(client().send(call))).toMatchObject({ status, errors: ['no'] })
    expect(fake.seen).toHaveLength(1)
  }
})

test('a Vault that goes on refusing is asked four times, and then its answer stands', async () => {
  fake.answer = always(503, '{"errors":["Vault is sealed"]}')
  const error = await failure(client().send(WRITE))
  expect(error).toMatchObject({ kind: 'unavailable', status: 503, errors: ['Vault is sealed'] })
  expect(fake.seen).toHaveLength(4)
})

test('nobody listens: asked again, whatever the method', async () => {
  const { port } = new URL(fake.address)
  await fake.close()
  const late = createServer(socket => {
    socket.resume()
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
  })
  const answer = client({ address: `http://127.0.0.1:${port}`, retry: { retries: 3, firstDelayMs: 100 } }).send(WRITE)
  await sleep(30)
  late.listen(Number(port), '127.0.0.1')
  expect(await answer).toMatchObject({ data: null })
  late.close()
  await once(late, 'close')
  expect(await failure(client({ address: `http://127.0.0.1:${port}` }).send(WRITE))).toMatchObject({
    kind: 'unavailable',
    errors: ['ECONNREFUSED'],
  })
})

test('the connection breaks: a read is asked again', async () => {
  fake.answer = (response, _request, count) => (count < 3 ? fake.cut() : json(response, 200, {}))
  await client().send(READ)
  expect(fake.seen).toHaveLength(3)
})

test('LIST is a verb of its own, and a read: asked again when refused and when the connection breaks', async () => {
  const lines: string[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', data => {
      lines.push(data.toString().split('\r\n')[0] ?? '')
      if (lines.length === 1) socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      else if (lines.length === 2) socket.resetAndDestroy()
      else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await client({ address: `http://127.0.0.1:${port}` }).send({ method: 'LIST', path: 'kv/metadata/', token })
  expect(lines).toEqual(Array(3).fill('LIST /v1/kv/metadata/ HTTP/1.1'))
  server.close()
})

test.each(['POST', 'PUT', 'DELETE'] as const)(
  'the connection breaks: %s may have happened and is not repeated',
  async method => {
    const breaks: Answer[] = [
      () => fake.cut(),
      response => response.socket?.end(),
      response => response.writeHead(200, { 'content-length': '100' }).write('{', () => fake.cut()),
    ]
    for (const answer of breaks) {
      fake.seen.length = 0
      fake.answer = answer
      expect(await failure(client().send({ ...WRITE, method }))).toMatchObject({ kind: 'unavailable', status: 0 })
      expect(fake.seen).toHaveLength(1)
    }
  },
)

test('a Vault that accepts and says nothing: the limit of time', async () => {
  fake.answer = () => {}
  const error = await failure(client({ timeoutMs: 100 }).send(WRITE))
  expect(error).toMatchObject({ kind: 'unavailable', errors: ['UND_ERR_HEADERS_TIMEOUT'] })
  expect(fake.seen).toHaveLength(1)
})

test('a Vault that stops in the middle of an answer: the limit of time', async () => {
  fake.answer = response => response.writeHead(200).write('{"data":')
  expect(await failure(client({ timeoutMs: 100 }).send(WRITE))).toMatchObject({ errors: ['UND_ERR_BODY_TIMEOUT'] })
})

test.each<[string, Answer]>([
  ['while it waits for the answer', () => {}],
  ['while the answer comes', response => response.writeHead(200).write('{"data":')],
  ['during the pause before the next attempt', always(503, '')],
])('an abort %s throws the reason at once', async (_when, answer) => {
  fake.answer = answer
  const vault = client({ retry: { retries: 5, firstDelayMs: 60_000 } })
  for (const call of [READ, WRITE]) {
    const abort = new AbortController()
    const reason = new Error('enough')
    const before = fake.seen.length
    const sent = vault.send({ ...call, signal: abort.signal })
    sent.catch(() => {})
    while (fake.seen.length === before) await sleep(1)
    await sleep(20)
    const start = performance.now()
    abort.abort(reason)
    await expect(sent).rejects.toBe(reason)
    expect(performance.now() - start).toBeLessThan(200)
    expect(fake.seen).toHaveLength(before + 1)
  }
})

test('aborted before it began: nothing is sent', async () => {
  const reason = new Error('too late')
  await expect(client().send({ ...READ, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(fake.seen).toEqual([])
})

test.each<[string, Answer]>([
  ['HTML', always(200, '<html>a login page</html>', { 'content-type': 'text/html' })],
  ['HTML with an error status', always(403, '<html>forbidden by the proxy</html>')],
  ['bytes', response => response.writeHead(200).end(Buffer.from([0xff, 0xfe, 0x00, 0x80]))],
  ['half of an answer', always(200, '{"data":{"n":')],
  [
    'less than it promised',
    response => response.writeHead(200, { 'content-length': '10' }).write('{}', () => response.socket?.end()),
  ],
  ['not HTTP', response => response.socket?.end('SSH-2.0-OpenSSH_9.9\r\n')],
  ['a list', always(200, '[]')],
  ['a number', always(200, '7')],
  ['an auth that is none', always(200, '{"auth":{"client_token":7}}')],
  ['a wrap that is none', always(200, '{"wrap_info":{"token":"t"}}')],
  ['the bad gateway of a proxy', always(502, 'Bad Gateway')],
])('not an answer of Vault: %s', async (_name, answer) => {
  fake.answer = answer
  for (const call of [READ, WRITE]) expect(await failure(client().send(call))).toMatchObject({ kind: 'unavailable' })
})

test.each([
  ['cannot be printed', '[{"toString":1,"valueOf":1},null,7,"a text"]', ['a text']],
  ['have no bottom', `[${DEEP}]`, []],
])('warnings that %s do no harm', async (_what, warnings, read) => {
  fake.answer = always(200, `{"warnings":${warnings}}`)
  expect((await client().send(READ))?.warnings).toEqual(read)
})

test.each([
  ['of another type', '{"errors":"sealed"}', []],
  ['missing', '{}', []],
  ['null', 'null', []],
  ['a list in place of the object', '["x"]', []],
  ['mixed with what is no text', '{"errors":["a",{"toString":1,"valueOf":1},null,7]}', ['a']],
  ['without a bottom', `{"errors":[${DEEP}]}`, []],
])('errors that are %s', async (_name, body, errors) => {
  fake.answer = always(400, body)
  expect(await failure(client().send(WRITE))).toMatchObject({ status: 400, kind: 'invalid', errors })
})

test('an answer that never ends is cut off', async () => {
  fake.answer = response => {
    response.writeHead(200)
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    const more = () => {
      while (!response.destroyed && response.write(chunk));
      response.once('drain', more)
    }
    more()
  }
  expect(await failure(client().send(WRITE))).toMatchObject({
    kind: 'unavailable',
    errors: ['UND_ERR_RES_EXCEEDED_MAX_SIZE'],
  })
})

test.each(['two\nlines', 'nul\0', 'snow ☃'])(
  'a token that no header can carry (%j) is denied, not a Vault that is away',
  async text => {
    expect(await failure(client().send({ ...READ, token: new Secret(CANARY + text) }))).toMatchObject({
      kind: 'denied',
    })
    expect(fake.seen).toEqual([])
  },
)

test('a closed client refuses, and does not hang', async () => {
  const vault = client()
  await vault.close()
  await failure(vault.send(READ))
})
