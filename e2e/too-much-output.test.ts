import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

const MOST = 1_000_000
/** What is on its way when a job is stopped: in pipes, connections and the engine. */
const UNDER_WAY = 4_000_000
/** What an empty line takes there. */
const RECORD = 72

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

/** Lines of 4,000: nearly nothing beside their text is on the engine's disk. */
const LONG = "head -c 3999 /dev/zero | tr '\\0' x"

test('a job that writes without an end is stopped, and says why; its engine is not filled meanwhile', async () => {
  // one that does not go when it is told to
  const id = await submit(`trap '' TERM; yes "$(${LONG})"; yes "$(${LONG})" >&2`)
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_output_limit' })
  expect(job.output_bytes).toBeGreaterThan(MOST * 0.9)
  expect(job.output_bytes).toBeLessThan(MOST + UNDER_WAY)
  expect(await stack.runtime.find(`writ-${id}`)).toBeNull()
})

test('lines of nothing are stopped as soon as they take as much on its disk, forty times as much as they are', async () => {
  const id = await submit("while :; do yes '' | head -1000; sleep 0.05; done")
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_output_limit' })
  expect(job.output_bytes * RECORD).toBeGreaterThan(MOST)
  expect(job.output_bytes * RECORD).toBeLessThan(MOST * 1.5)
})

test('as much as it may write is no reason', async () => {
  const lines = MOST / 2 / 4_000 - 5
  const id = await submit(`x=$(${LONG}); yes $x | head -${lines}; yes $x | head -${lines} >&2`)
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'success', output_bytes: 2 * lines * 4_000 })
})

test.each([
  ['in long lines', `x=$(${LONG})`, 150],
  ['in lines of nothing', 'x=', 8_000],
])('what it wrote before its node died counts: %s', async (_, set, lines) => {
  const id = await submit(`${set}; yes "$x" | head -${lines}; sleep 5; yes "$x" | head -${lines}; sleep 100`)
  const line = set === 'x=' ? 1 : 4_000
  await until(async () => (await stack.client(server.address).get(id)).output_bytes >= lines * line)
  await server.stop('SIGKILL')
  server = await stack.startServer({ WRIT_MAX_OUTPUT: String(MOST) })
  const { job } = await untilEnded(stack, stack.client(server.address), id)
  expect(job).toMatchObject({ status: 'failed', error_code: 'job_output_limit', output_bytes: lines * line * 2 })
})
