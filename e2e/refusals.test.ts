import { request } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { sealJob } from '../src/client/seal.ts'
import type { Submission } from '../src/protocol/job.ts'
import { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { unwrap } from '../src/vault/wrapping.ts'
import { type ServerProcess, type Stack, shell, startStack, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
})
afterAll(() => stack.close())

const OPTIONS = { jobRole: 'writ-job' }
const seal = (script = 'echo ran', qname = 'q') =>
  sealJob(stack.vault, stack.identities.requestorToken, shell(stack, script, { qname }), OPTIONS)

/** As a courier does it: without any client of ours. */
async function post(body: unknown, headers: Record<string, string> = {}) {
  const token = await createToken(stack.vault, stack.identities.requestorToken, { policies: ['default'] })
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': token.token.reveal(), ...headers },
    body: JSON.stringify(body),
  })
  const all: Record<string, unknown> = { http: response.statusCode, ...Object(await response.body.json()) }
  return all
}

let jobsBefore = 0
let tokensBefore: string[] = []
beforeEach(async () => {
  jobsBefore = await countJobs()
  tokensBefore = await jobTokens()
})

async function countJobs(): Promise<number> {
  return (await stack.db.selectFrom('jobs').select('id').execute()).length
}

/** Accessors of all living tokens that have the power of a job. */
async function jobTokens(): Promise<string[]> {
  const listed = await stack.vault.send({ method: 'LIST', path: 'auth/token/accessors/', token: stack.root })
  const living: string[] = []
  for (const accessor of (listed?.data?.keys ?? []) as string[]) {
    const found = await stack.vault
      .send({ method: 'POST', path: 'auth/token/lookup-accessor', token: stack.root, body: { accessor } })
      .catch(() => null)
    if (((found?.data?.policies ?? []) as string[]).includes('writ-job')) living.push(accessor)
  }
  return living.sort()
}

/** Refused with this code, nothing kept, nothing started, no token left over, and, if it is an alarm, on record. */
async function expectRefusal(body: unknown, code: string, http: number, alarm = true): Promise<void> {
  const answer = await post(body)
  expect(answer).toMatchObject({ http, code })
  expect(answer.error).toBeTypeOf('string')
  expect(answer.remedy).toBeTypeOf('string')
  expect(await countJobs()).toBe(jobsBefore)
  expect(await jobTokens()).toEqual(tokensBefore)
  const last = await stack.db.selectFrom('audit').select('entry').orderBy('seq', 'desc').limit(1).executeTakeFirst()
  if (alarm) expect(JSON.parse(last?.entry ?? '{}')).toMatchObject({ action: 'submission.refused', detail: { code } })
}

test('no token', async () => {
  const response = await request(`${server.address}/v1/api/job`, { method: 'POST', body: JSON.stringify(await seal()) })
  expect(response.statusCode).toBe(400)
  expect(await response.body.json()).toMatchObject({ status: 'Invalid request.', error: 'Missing X-Auth-Token' })
})

test('a wrong token', async () => {
  for (const token of ['wrong', 's.aaaaaaaaaaaaaaaaaaaaaaaa', '../../sys/health', 'ünï'.normalize('NFD')]) {
    const answer = await post(await seal(), { 'x-auth-token': Buffer.from(token).toString('latin1') })
    expect(answer).toMatchObject({ http: 403, status: 'Permission Denied.', code: 'token_refused' })
  }
})

test('an envelope that is intact runs', async () => {
  const answer = await post(await seal())
  expect(answer).toMatchObject({ http: 200, status: 'queued', qname: 'q', ignored_fields: [] })
  const { stdout } = await untilEnded(stack, stack.client(server.address), answer._id as string)
  expect(stdout).toBe('ran\n')
})

test('a wrap that somebody opened on the way', async () => {
  const body = await seal()
  await unwrap(stack.vault, new Secret(body.wrap_secret_id ?? ''))
  await expectRefusal(body, 'wrap_invalid', 403)
})

test('a wrap that somebody opened and wrapped again', async () => {
  const body = await seal()
  const { data } = await unwrap(stack.vault, new Secret(body.wrap_secret_id ?? ''))
  const forged = await stack.vault.send({
    method: 'POST',
    path: 'sys/wrapping/wrap',
    token: stack.root,
    body: data,
    wrapTtl: '5m',
  })
  await expectRefusal({ ...body, wrap_secret_id: forged?.wrap?.token.reveal() }, 'wrap_foreign', 403)
})

test('a wrap of another role', async () => {
  const body = await seal()
  const other = await stack.vault.send({
    method: 'POST',
    path: 'auth/approle/role/writ-server/secret-id',
    token: stack.root,
    body: {},
    wrapTtl: '5m',
  })
  await expectRefusal({ ...body, wrap_secret_id: other?.wrap?.token.reveal() }, 'wrap_foreign', 403)
})

test('no wrap at all, or something that is none', async () => {
  const { wrap_secret_id: _gone, ...rest } = await seal()
  await expectRefusal(rest, 'wrap_missing', 400, false)
  await expectRefusal({ ...rest, wrap_secret_id: 'nonsense' }, 'wrap_invalid', 403)
  await expectRefusal({ ...rest, wrap_secret_id: stack.identities.requestorToken.reveal() }, 'wrap_invalid', 403)
})

test('an envelope that somebody opened on the way', async () => {
  const body = await seal()
  await stack.vault.send({ method: 'GET', path: 'cubbyhole/job', token: new Secret(body.cubby_token ?? '') })
  await expectRefusal(body, 'envelope_opened', 403)
})

test('the same envelope twice', async () => {
  const body = await seal()
  const first = await post(body)
  expect(first.http).toBe(200)
  await untilEnded(stack, stack.client(server.address), first._id as string)
  jobsBefore = await countJobs()
  tokensBefore = await jobTokens()
  await expectRefusal(body, 'envelope_replayed', 403)
})

test('an envelope in a cubbyhole that opens again and again: its token is ended', async () => {
  const sealed = await seal()
  const token = new Secret(sealed.cubby_token ?? '')
  const path = sealed.cubby_path ?? ''
  const payload = (await stack.vault.send({ method: 'GET', path, token }))?.data?.payload
  const endless = (await createToken(stack.vault, stack.identities.requestorToken, { policies: ['default'] })).token
  await stack.vault.send({ method: 'POST', path, token: endless, body: { payload } })
  const { http, _id } = await post({ ...sealed, cubby_token: endless.reveal() })
  expect(http).toBe(200)
  await expect(stack.vault.send({ method: 'GET', path, token: endless })).rejects.toMatchObject({ status: 403 })
  await untilEnded(stack, stack.client(server.address), String(_id))
})

test('the same envelope twice at the same moment: one runs', async () => {
  const body = await seal()
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(body)))
  expect(answers.filter(answer => answer.http === 200)).toHaveLength(1)
  expect(await countJobs()).toBe(jobsBefore + 1)
  const accepted = answers.find(answer => answer.http === 200)
  await untilEnded(stack, stack.client(server.address), accepted?._id as string)
})

/** Puts something else into an envelope, as somebody would who can write to Vault but has not the key. */
async function withPayload(body: Submission, change: (payload: string) => string): Promise<Submission> {
  const read = await stack.vault.send({
    method: 'GET',
    path: 'cubbyhole/job',
    token: new Secret(body.cubby_token ?? ''),
  })
  const payload = change(String(read?.data?.payload))
  const cubby = await createToken(stack.vault, stack.root, { policies: ['default'], num_uses: 2 })
  await stack.vault.send({ method: 'POST', path: 'cubbyhole/job', token: cubby.token, body: { payload } })
  return { ...body, cubby_token: cubby.token.reveal() }
}

test.each<[string, (payload: string) => string]>([
  ['a changed byte', payload => payload.slice(0, 30) + (payload[30] === 'A' ? 'B' : 'A') + payload.slice(31)],
  ['cut off', payload => payload.slice(0, -8)],
  ['no ciphertext', () => 'echo hello'],
  ['another version', payload => payload.replace('vault:v1:', 'vault:v9:')],
])('tampered ciphertext: %s', async (_name, change) => {
  await expectRefusal(await withPayload(await seal(), change), 'envelope_tampered', 403)
})

test('an envelope with something else than a job in it', async () => {
  for (const content of ['not json', '[]', '"text"', '{"run": "not a list"}']) {
    const encrypted = await stack.vault.send({
      method: 'POST',
      path: 'transit/encrypt/writ-job',
      token: stack.root,
      body: { plaintext: Buffer.from(content).toString('base64') },
    })
    const body = await withPayload(await seal(), () => String(encrypted?.data?.ciphertext))
    await expectRefusal(body, 'envelope_not_a_job', 400, false)
  }
})

test('another queue than the sealed one', async () => {
  await expectRefusal({ ...(await seal('echo ran', 'mine')), qname: 'theirs' }, 'queue_mismatch', 403)
  const { qname: _gone, ...rest } = await seal('echo ran', 'mine')
  await expectRefusal(rest, 'queue_mismatch', 403)
})

test('the queue of a watch', async () => {
  await expectRefusal(await seal('echo ran', 'watch/production'), 'body_invalid', 400, false)
  await expectRefusal({ ...(await seal('echo ran', 'Watch/x')), qname: 'WATCH/X' }, 'body_invalid', 400, false)
})

test('capital letters in a queue are no mismatch', async () => {
  const answer = await post({ ...(await seal('echo ran', 'Mixed Case')), qname: 'MIXED case' })
  expect(answer).toMatchObject({ http: 200, qname: 'mixed case' })
  await untilEnded(stack, stack.client(server.address), answer._id as string)
})

test('parts of two envelopes do not make one', async () => {
  const [mine, theirs] = [await seal('echo mine', 'a'), await seal('echo theirs', 'b')]
  await expectRefusal({ ...mine, cubby_token: theirs.cubby_token }, 'authority_mismatch', 403)
  // nor do those of two for the same queue
  const [first, second] = [await seal('echo first', 'a'), await seal('echo second', 'a')]
  await expectRefusal({ ...first, wrap_secret_id: second.wrap_secret_id }, 'authority_mismatch', 403)
})

test('what the courier adds is ignored and reported', async () => {
  const added = {
    run: ['sh', '-c', 'echo evil'],
    entrypoint: ['sh'],
    secret_refs: ['X@secret/data/hello.name'],
    tty: true,
    EVIL: 1,
  }
  const answer = await post({ ...(await seal()), ...added })
  expect(answer.http).toBe(200)
  expect([...(answer.ignored_fields as string[])].sort()).toEqual(['EVIL', 'entrypoint', 'run', 'secret_refs', 'tty'])
  const { stdout, job } = await untilEnded(stack, stack.client(server.address), answer._id as string)
  expect(stdout).toBe('ran\n')
  expect(job.tty).toBe(false)
})

test('a cubbyhole path that is none', async () => {
  for (const cubby_path of [
    'secret/data/hello',
    '../secret/data/hello',
    'cubbyhole/../sys/mounts',
    'cubbyhole/',
    'cubbyhole/a\nb',
  ]) {
    const answer = await post({ ...(await seal()), cubby_path })
    expect(answer).toMatchObject({ http: 400, code: 'envelope_path' })
  }
  const { cubby_path: _gone, ...rest } = await seal()
  await expectRefusal(rest, 'envelope_incomplete', 400, false)
})

test('fields of the record itself cannot be preset', async () => {
  const preset = {
    _id: 'f'.repeat(24),
    status: 'success',
    container_id: 'abc',
    node_uuid: 'x',
    return_code: 5,
    output: 'forged',
  }
  const answer = await post({ ...(await seal()), ...preset })
  expect(answer._id).not.toBe(preset._id)
  const { job } = await untilEnded(stack, stack.client(server.address), answer._id as string)
  expect(job).toMatchObject({ output: 'ran\n', return_code: 0 })
})

test("somebody else's job: no reading, no output, no kill, no delete, not in the list", async () => {
  const mine = stack.client(server.address)
  const { _id } = await mine.submit(shell(stack, 'echo private', { qname: 'owned' }))
  await untilEnded(stack, mine, _id)
  const theirs = stack.client(server.address, await stack.requestor('stranger'))
  // as if there were no such job
  const denied = { status: 404, code: 'job_not_found' }
  await expect(theirs.get(_id)).rejects.toMatchObject(denied)
  await expect(theirs.kill(_id)).rejects.toMatchObject(denied)
  await expect(theirs.remove(_id)).rejects.toMatchObject(denied)
  await expect(theirs.follow(_id).next()).rejects.toMatchObject(denied)
  expect((await theirs.list()).data).toEqual([])
  expect((await mine.list()).data.map(job => job._id)).toContain(_id)
})

test("Vault's policies open a queue to others, power by power, and not its neighbours", async () => {
  const mine = stack.client(server.address)
  const shared = await mine.submit(shell(stack, 'echo shared', { qname: 'team' }))
  const neighbour = await mine.submit(shell(stack, 'echo other', { qname: 'team-x' }))
  await untilEnded(stack, mine, shared._id)
  await untilEnded(stack, mine, neighbour._id)
  const policy = 'path "writ/queues/team" { capabilities = ["read"] }'
  await stack.vault.send({ method: 'PUT', path: 'sys/policies/acl/team-reader', token: stack.root, body: { policy } })
  const { token } = await createToken(stack.vault, stack.root, { policies: ['team-reader', 'default'] })
  const reader = stack.client(server.address, token)
  expect((await reader.get(shared._id)).output).toBe('shared\n')
  expect((await reader.list()).data.map(job => job._id)).toEqual([shared._id])
  await expect(reader.get(neighbour._id)).rejects.toMatchObject({ code: 'job_not_found' })
  await expect(reader.kill(shared._id)).rejects.toMatchObject({ code: 'not_permitted' })
  await expect(reader.remove(shared._id)).rejects.toMatchObject({ code: 'not_permitted' })
})

test('Vault sealed: refused as unavailable, nothing done, and good again afterwards', async context => {
  const { devVault } = stack
  // a real server would stay sealed, for everybody else too
  if (!devVault) return context.skip()
  const body = await seal()
  const { token } = await createToken(stack.vault, stack.root, { policies: ['default'] })
  devVault.seal()
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': token.reveal() },
    body: JSON.stringify(body),
  })
  devVault.unseal()
  expect(response.statusCode).toBe(503)
  expect(await response.body.json()).toMatchObject({ code: 'vault_unavailable' })
  const again = await post(body)
  expect(again.http).toBe(200)
  await untilEnded(stack, stack.client(server.address), again._id as string)
})
