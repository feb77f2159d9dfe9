import { afterAll, beforeAll, expect, test } from 'vitest'
import { EngineProxy } from '../test/engine-proxy.ts'
import { type Stack, shell, startStack, until, untilEnded } from './stack.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.close())

async function runningOn(address: string, script: string): Promise<string> {
  const client = stack.client(address)
  const { _id } = await client.submit(shell(stack, `echo up; ${script}`))
  await until(async () => (await client.get(_id)).output_bytes > 0)
  return _id
}

const rowOf = (id: string) => stack.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

test('a server that may take its time finishes what runs, claims no more, and ends', async () => {
  const server = await stack.startServer({ WRIT_DRAIN_TIMEOUT: '2m' })
  const id = await runningOn(server.address, 'sleep 2')
  const { _id: next } = await stack.client(server.address).submit(shell(stack, 'true', { qname: 'other' }))
  await until(async () => (await rowOf(next)).status === 'success')
  await server.stop('SIGTERM')
  const job = await rowOf(id)
  expect(job).toMatchObject({ status: 'success', attempt: 1 })
  expect(job.released_at).not.toBeNull()
})

test('what is not finished by then is handed over, and goes on', async () => {
  const server = await stack.startServer({ WRIT_DRAIN_TIMEOUT: '1s' })
  const id = await runningOn(server.address, 'sleep 8; echo done')
  await server.stop('SIGINT')
  expect((await rowOf(id)).status).toBe('running')
  const next = await stack.startServer()
  const { job, stdout } = await untilEnded(stack, stack.client(next.address), id)
  expect(job.status).toBe('success')
  expect(stdout).toBe('up\ndone\n')
  await next.stop()
})

test('an engine that does not come back: unknown, its queue goes on, and the container is removed when it does', async () => {
  const proxy = await new EngineProxy().open()
  const server = await stack.startServer({ DOCKER_HOST: proxy.host, WRIT_ENGINE_PATIENCE: '2s' })
  const id = await runningOn(server.address, 'sleep 600')
  const { _id: next } = await stack.client(server.address).submit(shell(stack, 'echo next'))
  await proxy.close()
  await until(async () => (await rowOf(id)).status === 'unknown', 60_000)
  expect(await rowOf(id)).toMatchObject({ error_code: 'engine_lost', released_at: null })
  await proxy.open()
  expect((await untilEnded(stack, stack.client(server.address), next)).job.status).toBe('success')
  await until(async () => (await rowOf(id)).released_at !== null)
  expect(await stack.runtime.find(`writ-${id}`)).toBeNull()
  await server.stop()
  await proxy.close()
})
