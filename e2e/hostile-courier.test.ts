import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Binding, sealJob } from '../src/client/seal.ts'
import { fingerprint } from '../src/protocol/fingerprint.ts'
import type { Submission } from '../src/protocol/job.ts'
import { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { Courier } from './recording-courier.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

/** What a courier can do with the requests that he carries: each is refused with a code of its own, and leaves an alarm. */
let stack: Stack
let server: ServerProcess
/** What the requestor sends along, and what belongs to the courier. */
let mine: Secret
let theirs: Secret

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  mine = await child(stack.identities.requestorToken)
  theirs = await child(await stack.requestor('courier'))
})
afterAll(() => stack.close())

const child = async (of: Secret) => (await createToken(stack.vault, of, { policies: ['default'], ttl: '1h' })).token

const seal = (script: string, binding: Binding & { wrapTtl?: string } = {}, qname = 'q') => {
  const options = { jobRole: 'writ-job', caller: mine, ...binding }
  return sealJob(stack.vault, stack.identities.requestorToken, shell(stack, script, { qname }), options)
}

async function post(body: object, token = mine, headers: Record<string, string> = {}) {
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': token.reveal(), ...headers },
    body: JSON.stringify(body),
  })
  const answer = (await response.body.json()) as Record<string, unknown>
  return { http: response.statusCode, ...answer } as Record<string, unknown>
}

const countJobs = async () => (await stack.db.selectFrom('jobs').select('seq').execute()).length
/** The alarms, oldest first; jobs of other tests may end at any time. */
const alarms = async () => {
  const rows = await stack.db.selectFrom('audit').select('entry').orderBy('seq').execute()
  return rows.map(row => JSON.parse(row.entry)).filter(entry => entry.action === 'submission.refused')
}

async function expectAlarm(body: object, code: string, token = mine): Promise<void> {
  const [jobs, before] = [await countJobs(), await alarms()]
  expect(await post(body, token)).toMatchObject({ http: 403, code })
  expect(await countJobs()).toBe(jobs)
  const raised = (await alarms()).slice(before.length)
  expect(raised).toMatchObject([{ actor: expect.any(String), detail: { code } }])
}

const ended = async (id: unknown) => await untilEnded(stack, stack.client(server.address, stack.root), String(id))

test('drops it: nothing runs, the requestor hears of it, and it cannot be delivered after its time', async () => {
  const courier = await Courier.to(server.address)
  courier.breaks = request => request.method === 'POST'
  const jobs = await countJobs()
  const client = stack.client(courier.address)
  await expect(client.submit(shell(stack, 'echo never'))).rejects.toMatchObject({ code: 'unreachable' })
  await courier.close()
  expect(await countJobs()).toBe(jobs)
})

test('repeats it', async () => {
  const body = await seal('echo once')
  const { _id } = await post(body)
  expect((await ended(_id)).stdout).toBe('once\n')
  await expectAlarm(body, 'envelope_replayed')
})

test('repeats it after a restart of the server', async () => {
  const body = await seal('echo once')
  const { _id } = await post(body)
  await ended(_id)
  await server.stop('SIGKILL')
  server = await stack.startServer()
  await expectAlarm(body, 'envelope_replayed')
})

test('repeats it after its record was deleted', async () => {
  const body = await seal('echo once')
  const { _id } = await post(body)
  await ended(_id)
  await stack.client(server.address).remove(String(_id))
  await expectAlarm(body, 'wrap_invalid')
})

test('delivers the second before the first', async () => {
  const first = await seal('echo first')
  const after = fingerprint(new Secret(first.wrap_secret_id ?? ''))
  await expectAlarm(await seal('echo second', { after }), 'envelope_early')
  const { _id } = await post(first)
  expect(await post(await seal('echo second', { after }))).toMatchObject({ http: 200 })
  // nor does the first one in another queue do
  await expectAlarm(await seal('echo second', { after }, 'other'), 'envelope_early')
  await ended(_id)
})

test('the SDK orders its jobs', async () => {
  const client = stack.client(server.address)
  const first = await client.submit(shell(stack, 'echo first', { qname: 'sdk' }))
  const second = await client.submit(shell(stack, 'echo second', { qname: 'sdk' }), { after: first })
  const never = { authority_sha256: 'f'.repeat(64) }
  await expect(client.submit(shell(stack, 'true', { qname: 'sdk' }), { after: never })).rejects.toMatchObject({
    code: 'envelope_early',
  })
  expect((await ended(second._id)).stdout).toBe('second\n')
})

test.each(['cubby_token', 'wrap_secret_id'] as const)('splices two requests for one queue: %s', async part => {
  const [first, second] = [await seal('echo first'), await seal('echo second')]
  await expectAlarm({ ...first, [part]: second[part] }, 'authority_mismatch')
})

test('adds fields: ignored and named, and what was sealed runs', async () => {
  const added = { run: ['echo', 'evil'], env_vars: ['A=b'], authority_sha256: 'x', caller_sha256: 'y' }
  const answer = await post({ ...(await seal('echo good')), ...added })
  expect([...(answer.ignored_fields as string[])].sort()).toEqual(Object.keys(added).sort())
  expect((await ended(answer._id)).stdout).toBe('good\n')
})

test('puts his own token in the place of the requestor, to be who may read the output', async () => {
  await expectAlarm(await seal('echo secret'), 'caller_mismatch', theirs)
})

test('puts another queue on the outside', async () => {
  await expectAlarm({ ...(await seal('echo x')), qname: 'mine' }, 'queue_mismatch')
})

test('keeps it until its time is over', async () => {
  const body: Submission = await seal('echo late', { wrapTtl: '1s' })
  await sleep(2_500)
  await expectAlarm(body, 'wrap_invalid')
})

test('opens the envelope, and opens the authority', async () => {
  const peeked = await seal('echo x')
  await stack.vault.send({ method: 'GET', path: 'cubbyhole/job', token: new Secret(peeked.cubby_token ?? '') })
  await expectAlarm(peeked, 'envelope_opened')
  const opened = await seal('echo x')
  await stack.vault.send({
    method: 'POST',
    path: 'sys/wrapping/unwrap',
    token: new Secret(opened.wrap_secret_id ?? ''),
  })
  await expectAlarm(opened, 'wrap_invalid')
})

test('marks two requests as repetitions of each other', async () => {
  const headers = { 'idempotency-key': 'the-courier-made-it' }
  const first = await post(await seal('echo first'), mine, headers)
  expect(await post(await seal('echo second'), mine, headers)).toMatchObject({
    http: 422,
    code: 'idempotency_key_reused',
  })
  await ended(first._id)
})

test('a name that forges lines: every line of the log is one of ours, and names the job', async () => {
  const forged = `x\n{"level":30,"msg":"forged"}\r\n\u2028`
  const { token } = await createToken(stack.vault, stack.root, { policies: ['default'], display_name: 'a\nforged' })
  await request(`${server.address}/v1/api/job/${encodeURIComponent(forged)}`, {
    headers: { 'x-auth-token': token.reveal(), 'user-agent': 'x', 'idempotency-key': 'y' },
  }).then(({ body }) => body.dump())
  await post({ ...(await seal('echo x', { caller: token })), qname: forged }, token)
  const { _id } = await post(await seal('echo x', {}, 'named'))
  await ended(_id)
  const lines = server.log().split('\n').filter(Boolean)
  expect(lines.every(line => typeof JSON.parse(line).level === 'number')).toBe(true)
  expect(lines.some(line => JSON.parse(line).msg === 'forged')).toBe(false)
  const requests = lines.map(line => JSON.parse(line)).filter(line => line.job === _id)
  expect(requests.some(line => line.route === '/v1/api/job' && line.method === 'POST')).toBe(true)
  expect(requests.some(line => line.route === '/v1/api/job/:id/output')).toBe(true)
  expect(requests.some(line => line.msg === 'released')).toBe(true)
})
