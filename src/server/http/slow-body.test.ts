import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

test('a request has its time to arrive: Node ends one whose body does not', () => {
  expect(t.app.server.requestTimeout).toBe(300_000)
  expect(t.app.server.headersTimeout).toBe(60_000)
})
