import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

test.each([
  ['PUT', '/v1/api/job', 'GET, HEAD, POST'],
  ['POST', `/v1/api/job/${'a'.repeat(24)}`, 'DELETE, GET, HEAD'],
  ['GET', `/v1/api/job/kill/${'a'.repeat(24)}`, 'POST'],
  ['HEAD', `/v1/api/job/${'a'.repeat(24)}/output`, 'GET'],
  ['DELETE', '/v1/api/health', 'GET, HEAD'],
  ['OPTIONS', '/v1/api/job?skip=1', 'GET, HEAD, POST'],
] as const)('%s %s is refused, with what it takes', async (method, path, allow) => {
  const answer = await t.ask(path, t.stack.root, { method })
  expect(answer).toMatchObject({ http: 405, headers: { allow } })
  if (method !== 'HEAD') expect(answer.body).toMatchObject({ code: 'method_not_allowed' })
})

test.each(['/', '/v1/api/jobs', '/v1/api/job/x/y/z'])('%s is no path', async path => {
  expect(await t.ask(path, t.stack.root)).toMatchObject({ http: 404, body: { code: 'route_not_found' } })
  expect((await t.ask(path, t.stack.root, { method: 'POST', payload: '{}' })).headers.allow).toBeUndefined()
})

test('a body that is sent to no path is not read: the answer comes before its end', async () => {
  const address = new URL(await t.app.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect(Number(address.port), '127.0.0.1')
  socket.write('POST /v1/api/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{"a":')
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /)
  socket.destroy()
})
