import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startJobVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { encodeEvent, type JobEvent } from '../protocol/output-event.ts'
import { FRAMES_TYPE } from '../protocol/output-frames.ts'
import { Secret } from '../vault/secret.ts'
import { lookupSelf } from '../vault/token.ts'
import { Client, type ClientOptions } from './client.ts'
import { RequestError } from './error.ts'

let t: TestVault
let fake: FakeServer
let requestor: Secret
const clients: Client[] = []
const ID = 'a'.repeat(24)

beforeAll(async () => {
  t = await startJobVault()
})
beforeEach(async () => {
  fake = await FakeServer.listen(response => json(response, 200, { _id: ID, status: 'queued' }))
  requestor = await t.token({ policies: ['all'], ttl: '1h' })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await fake.close()
})
afterAll(() => t.close())

function clientOf(server = fake.address, token = requestor, more: Partial<ClientOptions> = {}): Client {
  const client = new Client({ server, vault: t.vault, token, reconnectMs: 1, ...more })
  clients.push(client)
  return client
}

async function failure(work: Promise<unknown>): Promise<RequestError> {
  const error = await work.then(
    () => expect.fail('no error'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(RequestError)
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain(requestor.reveal())
  return error as RequestError
}

const sent = (index = 0) => fake.seen[index] ?? expect.fail('nothing was sent')
const alive = (token: Secret) =>
  lookupSelf(t.vault, token).then(
    () => true,
    () => false,
  )

test('a sealed job: the courier sees where to, not what, and a token that opens the cubbyhole once', async () => {
  await clientOf().submit({ qname: 'q', container_image: 'canary-image', run: ['canary-argument'] })
  const { body, headers } = sent()
  expect(body).not.toContain('canary')
  const { cubby_token, cubby_path, wrap_secret_id, ...rest } = JSON.parse(body)
  expect(rest).toEqual({ qname: 'q' })
  expect(headers['x-auth-token']).not.toBe(requestor.reveal())
  const facts = await t.vault.send({
    method: 'POST',
    path: 'auth/token/lookup',
    token: t.root,
    body: { token: cubby_token },
  })
  // of its two uses one is spent by writing
  expect(facts?.data).toMatchObject({ num_uses: 1, policies: ['default'] })
  const read = { method: 'GET', path: cubby_path, token: new Secret(cubby_token) } as const
  expect((await t.vault.send(read))?.data?.payload).toMatch(/^vault:v1:/)
  await expect(t.vault.send(read)).rejects.toMatchObject({ kind: 'denied' })
  expect(wrap_secret_id).toBeTruthy()
})

test('the server gets a child of the token that can do nothing, one for all calls, revoked at the end', async () => {
  const client = clientOf()
  await client.submitDirect({ container_image: 'b' })
  await client.get(ID)
  const tokens = new Set(fake.seen.map(({ headers }) => String(headers['x-auth-token'])))
  expect(tokens.size).toBe(1)
  const child = new Secret([...tokens][0] ?? '')
  expect(await lookupSelf(t.vault, child)).toMatchObject({ policies: ['default'] })
  await client.close()
  expect(await alive(child)).toBe(false)
  expect(await alive(requestor)).toBe(true)
})

test('a child token that could not be made is not remembered as a failure', async () => {
  await t.write('sys/policies/acl/no-child', {
    policy:
      'path "*" { capabilities = ["create", "update", "read", "sudo"] }\npath "auth/token/create" { capabilities = ["deny"] }',
  })
  const token = await t.token({ policies: ['no-child'] })
  const client = clientOf(fake.address, token)
  await expect(client.submitDirect({ container_image: 'b' })).rejects.toMatchObject({ kind: 'denied' })
  await t.write('sys/policies/acl/no-child', {
    policy: 'path "*" { capabilities = ["create", "update", "read", "sudo"] }',
  })
  await client.submitDirect({ container_image: 'b' })
  expect(fake.seen).toHaveLength(1)
})

test('answers of the server: code, message and remedy', async () => {
  const body = { status: 'Not Found.', error: 'not found', code: 'job_not_found', remedy: 'Check the id.' }
  fake.answer = response => json(response, 404, body)
  expect(await failure(clientOf().get(ID))).toMatchObject({
    status: 404,
    code: 'job_not_found',
    message: 'not found',
    remedy: 'Check the id.',
  })
})

test.each([
  [500, '{}', 'http_500'],
  [502, '[]', 'http_502'],
  [400, 'null', 'http_400'],
  [403, '{"error":7,"code":null}', 'http_403'],
  [502, '<html>bad gateway</html>', 'not_json'],
  [200, '<html>a login page</html>', 'not_json'],
  [200, '', 'not_json'],
])('odd answers of a courier: %i %j', async (status, body, code) => {
  fake.answer = response => response.writeHead(status).end(body)
  expect(await failure(clientOf().get(ID))).toMatchObject({ code })
})

test('nobody there, a connection that breaks, an answer that breaks off: unreachable', async () => {
  const gone = await FakeServer.listen(() => {})
  await gone.close()
  expect(await failure(clientOf(gone.address).get(ID))).toMatchObject({ status: 0, code: 'unreachable' })
  fake.answer = () => fake.cut()
  expect(await failure(clientOf().submitDirect({}))).toMatchObject({ status: 0, code: 'unreachable' })
  // the answer may be what got lost: sent again, and marked as the same
  expect(fake.seen).toHaveLength(3)
  expect(new Set(fake.seen.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`)).size).toBe(1)
  fake.answer = response => response.writeHead(200, { 'content-length': '9' }).write('{', () => fake.cut())
  expect(await failure(clientOf().get(ID))).toMatchObject({ status: 0, code: 'unreachable' })
})

test('a redirect is not followed: the token goes nowhere else', async () => {
  const elsewhere = await FakeServer.listen(response => json(response, 200, {}))
  fake.answer = response => response.writeHead(307, { location: elsewhere.address }).end('{}')
  expect(await failure(clientOf().get(ID))).toMatchObject({ status: 307 })
  expect(elsewhere.seen).toEqual([])
  await elsewhere.close()
})

test('an abort throws its reason', async () => {
  fake.answer = () => {}
  const reason = new Error('enough')
  const abort = new AbortController()
  const work = clientOf().get(ID, abort.signal)
  work.catch(() => {})
  await expect.poll(() => fake.seen.length).toBe(1)
  abort.abort(reason)
  await expect(work).rejects.toBe(reason)
})

const WHOLE = Buffer.from(Array.from({ length: 4_000 }, (_, n) => n % 256))

/** The stream of a server from the offset asked for on, in events of 100 bytes. */
function stream(url: string): string {
  const from = Number(new URL(url, 'http://x').searchParams.get('offset'))
  let text = ': following\n\n'
  for (let offset = from; offset < WHOLE.length; offset += 100) {
    text += encodeEvent({ kind: 'output', offset, stream: 'stdout', data: WHOLE.subarray(offset, offset + 100) })
  }
  return text + encodeEvent({ kind: 'end', offset: WHOLE.length, status: 'success', returnCode: 0 })
}

async function follow(client: Client, offset = 0): Promise<{ bytes: Buffer; end: JobEvent | undefined }> {
  const events: JobEvent[] = []
  for await (const event of client.follow(ID, offset)) events.push(event)
  const data = events.flatMap(event => (event.kind === 'output' ? [event.data] : []))
  return { bytes: Buffer.concat(data), end: events.at(-1) }
}

test.each([0, 1, 150, 3_999, 4_000])(
  'a connection that is cut anywhere, again and again: the same bytes from %i on',
  async offset => {
    for (let round = 0; round < 3; round++) {
      fake.answer = (response, { url }, count) => {
        const text = stream(url)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        // far enough for an event now and then; in the middle of one mostly
        const cut = 50 + Math.floor(Math.random() * 1_500)
        if (cut >= text.length) response.end(text)
        else if (count % 3 === 0) response.end(text.slice(0, cut))
        else response.write(text.slice(0, cut), () => setTimeout(() => response.socket?.resetAndDestroy(), 2))
      }
      const { bytes, end } = await follow(clientOf(), offset)
      expect(bytes.equals(WHOLE.subarray(offset))).toBe(true)
      expect(end).toEqual({ kind: 'end', offset: 4_000, status: 'success', returnCode: 0 })
    }
    expect(fake.seen.length).toBeGreaterThanOrEqual(3)
  },
)

test('a server that is away for a while (refused, 502 to 504) is waited for', async () => {
  fake.answer = (response, { url }, count) => {
    if (count === 1) return response.writeHead(200).end(stream(url).slice(0, 500))
    if (count < 4) return json(response, 503, { error: 'sealed', code: 'server_sealed' })
    // a gateway whose server is being replaced
    if (count === 4) return response.writeHead(502).end('<html>bad gateway</html>')
    if (count === 5) return response.writeHead(504).end()
    if (count < 8) return fake.cut()
    return response.writeHead(200).end(stream(url))
  }
  expect((await follow(clientOf())).bytes.equals(WHOLE)).toBe(true)
})

test('a refusal ends it: asking again would not help', async () => {
  for (const status of [400, 403, 404, 500]) {
    fake.seen.length = 0
    fake.answer = response => json(response, status, { error: 'no', code: 'x' })
    expect(await failure(follow(clientOf()))).toMatchObject({ status, code: 'x' })
    expect(fake.seen).toHaveLength(1)
  }
})

test.each<[string, string | null]>([
  ['nothing', ''],
  ['comments alone', ': following\n\n'],
  ['garbage', 'event: output\ndata: {"offset":\n\n'],
  ['an output without data', 'event: output\ndata: {"offset":0}\n\n'],
  ['a broken connection', null],
])('a server that gives %s is not asked for ever', async (_what, text) => {
  fake.answer = response => (text === null ? fake.cut() : response.writeHead(200).end(text))
  expect(await failure(follow(clientOf()))).toMatchObject({ status: 0, code: 'unreachable' })
  expect(fake.seen).toHaveLength(9)
})

test('an answer that is never finished: unreachable, after a while; a stream goes on where it was', async () => {
  const client = clientOf(fake.address, requestor, { silenceMs: 200 })
  fake.answer = response => response.writeHead(200).write('{')
  expect(await failure(client.get(ID))).toMatchObject({ status: 0, code: 'unreachable' })
  fake.answer = response => response.writeHead(403).write('{')
  expect(await failure(follow(client))).toMatchObject({ status: 403 })
  fake.answer = (response, { url }, count) =>
    count < 5 ? response.writeHead(200).write(stream(url).slice(0, 900)) : response.writeHead(200).end(stream(url))
  expect((await follow(client)).bytes.equals(WHOLE)).toBe(true)
})

test('an answer without an end is not read for ever', { timeout: 30_000 }, async () => {
  const piece = Buffer.alloc(1024 * 1024, 'x')
  const pour = (response: ServerResponse) => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', () => pour(response))
  }
  fake.answer = response => pour(response.writeHead(200))
  expect(await failure(clientOf().get(ID))).toMatchObject({ code: 'answer_too_long' })
  const frames = (head: string) => (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': FRAMES_TYPE }).write(head)
    pour(response)
  }
  fake.answer = frames('{"kind":"output","offset":0,"stream":"stdout","bytes":1e15}\n')
  expect(await failure(follow(clientOf()))).toMatchObject({ code: 'unreachable' })
  fake.answer = response => pour(response.writeHead(200, { 'content-type': 'text/event-stream' }))
  expect(await failure(follow(clientOf()))).toMatchObject({ code: 'unreachable' })
})

test('a job that is followed for longer than the life of the token that the server got: the token is renewed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const client = clientOf(fake.address, await t.token({ policies: ['all'], ttl: '48h' }))
    await client.submitDirect({})
    const token = new Secret(String(sent().headers['x-auth-token']))
    fake.answer = response => response.writeHead(200).write(': following\n\n')
    const leaving = new AbortController()
    const followed = (async () => {
      for await (const _ of client.follow(ID, 0, leaving.signal));
    })()
    await expect.poll(() => fake.seen.length).toBe(2)
    for (let hours = 0; hours < 10; hours += 2) {
      const { ttl } = await lookupSelf(t.vault, token)
      t.dev.clock.advance(2 * 3_600_000)
      vi.advanceTimersByTime(2 * 3_600_000)
      // two hours less, were it not renewed; the seconds of this test are gone in any case
      await expect.poll(async () => (await lookupSelf(t.vault, token)).ttl).toBeGreaterThan(ttl - 3_600)
    }
    leaving.abort()
    await expect(followed).rejects.toThrow()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a request that was given up cannot be delivered later', async () => {
  fake.answer = () => fake.cut()
  expect(await failure(clientOf().submit({ qname: 'q' }))).toMatchObject({ code: 'unreachable' })
  const { cubby_token } = JSON.parse(sent().body)
  expect(await alive(new Secret(cubby_token))).toBe(false)
})

test('whoever stops reading leaves no connection open', async () => {
  let closed = 0
  fake.answer = (response, { url }) => {
    response.socket?.once('close', () => (closed += 1))
    response.writeHead(200).write(stream(url).slice(0, 800))
  }
  for await (const _ of clientOf().follow(ID)) break
  await expect.poll(() => closed).toBe(1)
})

test('a password in the address is in no message', async () => {
  const error = await failure(clientOf('http://user:hunter22@127.0.0.1:1').get(ID))
  expect(String(error)).toContain('no answer from http://127.0.0.1:1')
  expect(String(error)).not.toContain('hunter22')
})
