import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { withoutTrailingSlash } from './trailing-slash.ts'

async function redirected(url: string): Promise<string | undefined> {
  const app = Fastify()
  app.addHook('onRequest', withoutTrailingSlash)
  const { statusCode, headers } = await app.inject({ url })
  return statusCode === 301 ? headers.location : undefined
}

test.each([
  ['/v1/api/job/', '/v1/api/job'],
  ['/v1/api/job/?skip=1', '/v1/api/job?skip=1'],
  ['/v1/api/job///', '/v1/api/job'],
  ['//elsewhere.example/', '/elsewhere.example'],
  ['///', '/'],
])('%s is %s', async (url, target) => {
  expect(await redirected(url)).toBe(target)
})

test('a path of nothing but slashes costs no more than any other of its length', async () => {
  const before = process.threadCpuUsage()
  for (let n = 0; n < 20; n++) await redirected(`/x${'/'.repeat(15_000)}x/`)
  // 0.1 to 0.2 s for each, when it was looked at again from each slash
  expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(1_000)
})
