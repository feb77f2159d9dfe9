import { afterEach, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import { Secret } from '../../vault/secret.ts'

let t: TestHttp
afterEach(() => t.close())

const refused = { http: 429, body: { code: 'too_many_requests' }, headers: { 'retry-after': expect.anything() } }

test('an address without a token: so many requests a minute, also to paths that there are not', async () => {
  t = await startTestHttp({ rateLimitOpen: 5 })
  for (const path of ['live', 'nothing', 'live', 'metrics', 'health'])
    expect((await t.ask(`/v1/api/${path}`)).http).not.toBe(429)
  for (const path of ['live', 'nothing', 'vault/info']) expect(await t.ask(`/v1/api/${path}`)).toMatchObject(refused)
  expect((await t.ask('/v1/api/live', null, { remoteAddress: '192.0.2.7' })).http).toBe(200)
})

test('wrong tokens count for their address, so that Vault is not asked without end; good ones do not', async () => {
  t = await startTestHttp({ rateLimitOpen: 3 })
  for (let i = 0; i < 10; i += 1) expect((await t.ask('/v1/api/queues', t.stack.root)).http).toBe(200)
  for (let i = 0; i < 4; i += 1) expect((await t.ask('/v1/api/queues', new Secret(`s.wrong${i}`))).http).toBe(403)
  expect(await t.ask('/v1/api/queues', new Secret('s.wrong9'))).toMatchObject(refused)
})

test('one token: its own limit, and no other token suffers from it', async () => {
  t = await startTestHttp({ rateLimit: 2 })
  const other = await t.stack.token({ policies: ['default'] })
  for (let i = 0; i < 2; i += 1) expect((await t.ask('/v1/api/queues', t.stack.root)).http).toBe(200)
  expect(await t.ask('/v1/api/queues', t.stack.root)).toMatchObject(refused)
  expect((await t.ask('/v1/api/queues', other)).http).toBe(200)
})
