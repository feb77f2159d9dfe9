import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { Agent } from 'undici'
import { expect, test } from 'vitest'
import { closeIdleConnections } from './idle-connections.ts'

test('a request that is under way when the server ends is answered, and its connection does not hold up the end', async () => {
  const app = Fastify()
  closeIdleConnections(app)
  const arrived = Promise.withResolvers<void>()
  const mayAnswer = Promise.withResolvers<void>()
  app.get('/slow', async () => {
    arrived.resolve()
    await mayAnswer.promise
    return 'done'
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  // a client that keeps its connection for longer than the test may take
  const agent = new Agent({ keepAliveTimeout: 300_000, keepAliveMaxTimeout: 300_000 })
  const asked = agent.request({ origin, path: '/slow', method: 'GET' })
  await arrived.promise
  const closed = app.close()
  await sleep(100)
  mayAnswer.resolve()
  const { statusCode, body } = await asked
  expect([statusCode, await body.text()]).toEqual([200, 'done'])
  await closed
  await agent.destroy()
})
