import { randomUUID } from 'node:crypto'
import { request } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { sealJob } from '../src/client/seal.ts'
import { createToken } from '../src/vault/token.ts'
import { SilentWay } from '../test/silent-way.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

/* A job that the database has taken in, and whose server does not hear of it. */

let stack: Stack
let way: SilentWay
let server: ServerProcess
beforeAll(async () => {
  stack = await startStack()
})
beforeEach(async () => {
  await server?.stop()
  await way?.close()
  way = await SilentWay.open(stack.database.url)
  server = await stack.startServer({ DATABASE_URL: way.url })
})
afterAll(async () => {
  await stack.close()
  await way.close()
})

/** Of the statement that takes in a job. */
const ACCEPTING = 'enter_queue('

async function submit(headers: Record<string, string>) {
  const { vault, identities } = stack
  const body = await sealJob(vault, identities.requestorToken, shell(stack, 'echo ran'), { jobRole: 'writ-job' })
  const { token } = await createToken(vault, identities.requestorToken, { policies: ['default'] })
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': token.reveal(), ...headers },
    body: JSON.stringify(body),
  })
  return { http: response.statusCode, ...((await response.body.json()) as object) } as Record<string, unknown>
}

const jobs = async () => (await stack.db.selectFrom('jobs').select('id').execute()).map(({ id }) => id)

test.each([
  ['with a key', { 'idempotency-key': randomUUID() }],
  ['without one', {}],
])('%s: what is on record is accepted, and runs', async (_, headers) => {
  const before = await jobs()
  const lost = way.loseAnswerTo(ACCEPTING)
  const answer = await submit(headers)
  await lost
  expect(answer).toMatchObject({ http: 200, status: 'queued' })
  expect((await jobs()).filter(id => !before.includes(id))).toEqual([answer._id])
  const { job, stdout } = await untilEnded(stack, stack.client(server.address, stack.root), String(answer._id))
  expect({ status: job.status, stdout }).toEqual({ status: 'success', stdout: 'ran\n' })
})

test('and the database is away then: refused, and it does not say that nothing was done', async () => {
  const lost = way.loseAnswerTo(ACCEPTING).then(() => way.silence())
  const answer = await submit({ 'idempotency-key': randomUUID() })
  await lost
  expect(answer).toMatchObject({ http: 503, code: 'store_unavailable', error: expect.stringContaining('not known') })
  way.speak()
  await until(async () => (await jobs()).length > 0)
})
