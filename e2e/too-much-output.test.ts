import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

const MOST = 1_000_000
/** What is on its way when a job is stopped: in pipes, connections and the engine. */
const UNDER_WAY = 4_000_000

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ WRIT_MAX_OUTPUT: String(MOST) })
})
afterAll(() => stack.close())

async function submit(script: string): Promise<string> {
  return (await stack.client(server.address).submit(shell(stack, script)))._id
}

test('a job that writes without an end is stopped, and says why; its engine is not filled meanwhile', async () => {
  // one that does not go when it is told to
  const id = await submit("trap '' TERM; yes 'the same again and again, on both streams'; yes >&2")
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_output_limit' })
  expect(job.output_bytes).toBeGreaterThan(MOST)
  expect(job.output_bytes).toBeLessThan(MOST + UNDER_WAY)
  expect(await stack.runtime.find(`writ-${id}`)).toBeNull()
})

test('as much as it may write is no reason', async () => {
  const id = await submit(`yes | head -c ${MOST / 2}; yes | head -c ${MOST / 2} >&2`)
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'success', output_bytes: MOST })
})

test('what it wrote before its node died counts', async () => {
  const id = await submit(`yes one | head -c ${MOST * 0.6}; sleep 5; yes two | head -c ${MOST * 0.6}; sleep 100`)
  await until(async () => (await stack.client(server.address).get(id)).output_bytes >= MOST * 0.6)
  await server.stop('SIGKILL')
  server = await stack.startServer({ WRIT_MAX_OUTPUT: String(MOST) })
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_output_limit', output_bytes: MOST * 1.2 })
})
