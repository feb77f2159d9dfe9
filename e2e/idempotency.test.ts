import { randomUUID } from 'node:crypto'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorize, sealJob } from '../src/client/seal.ts'
import type { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { Courier } from './recording-courier.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

let stack: Stack
let one: ServerProcess
let other: ServerProcess
let token: Secret

beforeAll(async () => {
  stack = await startStack()
  ;[one, other] = await Promise.all([stack.startServer(), stack.startServer()])
  token = (await createToken(stack.vault, stack.identities.requestorToken, { policies: ['default'] })).token
})
afterAll(() => stack.close())

const seal = (script = 'echo ran') =>
  sealJob(stack.vault, stack.identities.requestorToken, shell(stack, script), { jobRole: 'writ-job' })

async function post(server: ServerProcess, key: string, body: object, as = token) {
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': as.reveal(), 'idempotency-key': key },
    body: JSON.stringify(body),
  })
  const answer = (await response.body.json()) as Record<string, unknown>
  return { http: response.statusCode, ...answer } as Record<string, unknown>
}

const jobs = async () => (await stack.db.selectFrom('jobs').select('id').execute()).length

test('the same request again, on either node and in another order of its keys: the first answer, and one job', async () => {
  const [key, body, before] = [randomUUID(), { ...(await seal()), ignored: 1 }, await jobs()]
  const first = await post(one, key, body)
  expect(first).toMatchObject({ http: 200, status: 'queued', ignored_fields: ['ignored'] })
  await untilEnded(stack, stack.client(one.address, stack.root), String(first._id))
  for (const server of [one, other]) {
    expect(await post(server, key, body)).toEqual(first)
    expect(await post(server, key, Object.fromEntries(Object.entries(body).reverse()))).toEqual(first)
  }
  expect(await jobs()).toBe(before + 1)
})

test('ten at the same moment on two nodes: all get the one job, and nobody an alarm', async () => {
  const [key, body, before] = [randomUUID(), await seal(), await jobs()]
  const alarms = async () =>
    (await stack.db.selectFrom('audit').select('seq').where('entry', 'like', '%submission.refused%').execute()).length
  const alarmsBefore = await alarms()
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => post(i % 2 ? one : other, key, body)))
  expect(new Set(answers.map(answer => `${answer.http} ${answer._id}`)).size).toBe(1)
  expect(answers[0]?.http).toBe(200)
  expect(await jobs()).toBe(before + 1)
  expect(await alarms()).toBe(alarmsBefore)
})

test('a direct job too', async () => {
  const wrap = await authorize(stack.vault, stack.identities.requestorToken, { jobRole: 'writ-job' })
  const [key, body] = [randomUUID(), { ...shell(stack, 'true'), wrap_secret_id: wrap.reveal() }]
  const first = await post(one, key, body)
  expect(first.http).toBe(200)
  expect(await post(other, key, body)).toEqual(first)
})

test('after a restart', async () => {
  const [key, body] = [randomUUID(), await seal()]
  const first = await post(one, key, body)
  await one.stop('SIGKILL')
  one = await stack.startServer()
  expect(await post(one, key, body)).toEqual(first)
})

test('with Vault asked for nothing but who calls', async context => {
  const { devVault } = stack
  if (!devVault) return context.skip()
  const [key, body] = [randomUUID(), await seal()]
  const first = await post(one, key, body)
  // neither the wrap nor the cubbyhole is there any more, and a token with one use is enough
  const { token: once } = await createToken(stack.vault, stack.identities.requestorToken, {
    policies: ['default'],
    num_uses: 1,
  })
  expect(await post(other, key, body, once)).toEqual(first)
})

test('another body: refused. Somebody else with the same key: his own job. A key that is none: refused', async () => {
  const key = randomUUID()
  const first = await post(one, key, await seal())
  expect(await post(other, key, await seal())).toMatchObject({ http: 422, code: 'idempotency_key_reused' })
  const stranger = await stack.requestor('stranger')
  const second = await post(one, key, await seal(), stranger)
  expect(second.http).toBe(200)
  expect(second._id).not.toBe(first._id)
  for (const bad of ['', 'a b', 'ü', 'x'.repeat(256)])
    expect(await post(one, Buffer.from(bad).toString('latin1'), {})).toMatchObject({ code: 'idempotency_key_invalid' })
})

test('a refused submission does not hold its key', async () => {
  const [key, body] = [randomUUID(), await seal()]
  for (let i = 0; i < 2; i += 1)
    expect(await post(one, key, { ...body, wrap_secret_id: 'nonsense' })).toMatchObject({ code: 'wrap_invalid' })
  expect(await post(one, key, body)).toMatchObject({ http: 200 })
})

test('the key is kept as long as the record', async () => {
  const [key, body] = [randomUUID(), await seal()]
  const { _id } = await post(one, key, body)
  const client = stack.client(one.address, stack.root)
  await untilEnded(stack, client, String(_id))
  await client.remove(String(_id))
  expect(await post(one, key, body)).toMatchObject({ http: 403, code: 'wrap_invalid' })
})

test('the SDK: the answer gets lost on its way, and it learns all the same which job is his', async () => {
  const courier = await Courier.to(one.address)
  let lost = 0
  courier.loses = request => request.method === 'POST' && lost++ === 0
  const before = await jobs()
  const client = stack.client(courier.address)
  const { _id } = await client.submit(shell(stack, 'echo found'))
  expect(lost).toBe(2)
  expect((await untilEnded(stack, client, _id)).stdout).toBe('found\n')
  expect(await jobs()).toBe(before + 1)
  await courier.close()
})
