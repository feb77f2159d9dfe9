import { afterAll, beforeAll, expect, test } from 'vitest'
import { SilentWay } from '../test/silent-way.ts'
import { type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
let way: SilentWay
beforeAll(async () => {
  stack = await startStack()
  way = await SilentWay.open(stack.database.url)
})
afterAll(async () => {
  await stack.close()
  await way.close()
})

test('the database vanishes without a word: requests are refused, a server can be stopped, and the other goes on when it is back', {
  timeout: 180_000,
}, async () => {
  const settings = { DATABASE_URL: way.url }
  const [staying, ending] = await Promise.all([stack.startServer(settings), stack.startServer(settings)])
  const client = stack.client(staying.address)
  const { _id: running } = await client.submit(shell(stack, 'echo up; sleep 60; echo done'))
  await until(async () => (await client.get(running)).output_bytes > 0)
  way.silence()
  const began = performance.now()
  // as many as the pool has connections, and more
  const asking = Array.from({ length: 15 }, async () => {
    const answer = await fetch(`${staying.address}/v1/api/health`)
    return { http: answer.status, ...((await answer.json()) as object) }
  })
  const stopped = ending.stop('SIGTERM').then(() => performance.now() - began)
  for (const answer of await Promise.all(asking)) expect(answer).toMatchObject({ http: 503, code: 'store_unavailable' })
  expect(performance.now() - began).toBeLessThan(60_000)
  expect(await stopped).toBeLessThan(30_000)
  way.speak()
  const { _id: next } = await client.submit(shell(stack, 'echo next', { qname: 'other' }))
  expect((await untilEnded(stack, client, next)).stdout).toBe('next\n')
  const { job, stdout } = await untilEnded(stack, client, running)
  expect({ status: job.status, stdout }).toEqual({ status: 'success', stdout: 'up\ndone\n' })
  await staying.stop()
  expect(staying.died()).toBe('')
  expect(ending.died()).toBe('')
})
