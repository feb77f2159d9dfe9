import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const ODD = ['%00', 'a%00b', '%ED%A0%80', '%2e%2e', '%2F', '%E2%80%AE', 'x'.repeat(4_000), '*', '%25', '%0d%0a']

test.each(ODD)('strangers who put %s into a path are refused, and no part breaks', async odd => {
  for (const path of [
    `/v1/${odd}/webhook`,
    `/v1/api/job/${odd}`,
    `/v1/api/job/${odd}/output`,
    `/v1/${odd}`,
    `/v1/api/${odd}`,
  ]) {
    for (const method of ['GET', 'POST'] as const) expect((await t.ask(path, null, { method })).http).toBeLessThan(500)
  }
})

test.each(ODD)('so are callers who ask with %s', async odd => {
  const paths = [
    `/v1/${odd}/configure`,
    `/v1/${odd}/task/${odd}`,
    `/v1/sys/mounts/${odd}`,
    `/v1/api/job/${odd}`,
    `/v1/api/job?qname=${odd}`,
    `/v1/api/job?cursor=${odd}`,
    `/v1/api/job?since=${odd}`,
    `/v1/api/job?status=${odd}`,
  ]
  for (const path of paths) expect([path, (await t.ask(path, t.stack.root)).http < 500]).toEqual([path, true])
  for (const method of ['PUT', 'DELETE'] as const) {
    const answer = await t.ask(`/v1/sys/mounts/${odd}`, t.stack.root, { method, payload: { type: 'flant_gitops' } })
    expect(answer.http).toBeLessThan(500)
  }
})

test.each([
  '2016-12-31T23:59:60Z',
  '9999-12-31T23:59:59.999999999Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00+14:00',
])('a list since %s', async since => {
  expect((await t.ask(`/v1/api/job?since=${encodeURIComponent(since)}`, t.stack.root)).http).toBeLessThan(500)
})
