import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorize } from '../src/client/seal.ts'
import { type ServerProcess, type Stack, shell, startStack, until, untilEnded } from './stack.ts'

/** What GoStint's own clients and tests see on the wire (gostint.md §2). */
let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer({ VAULT_EXTERNAL_ADDR: 'https://vault.example' })
})
afterAll(() => stack.close())

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await request(`${server.address}${path}`, { headers })
  return { http: response.statusCode, headers: response.headers, text: await response.body.text() }
}

async function post(body: string) {
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': stack.root.reveal(), 'content-type': 'application/x-www-form-urlencoded' },
    body,
  })
  return {
    http: response.statusCode,
    type: response.headers['content-type'],
    body: (await response.body.json()) as Record<string, unknown>,
  }
}

async function direct(spec: object): Promise<string> {
  const wrap = await authorize(stack.vault, stack.identities.requestorToken, { jobRole: 'writ-job' })
  return JSON.stringify({ ...shell(stack, 'echo hello; echo oops >&2'), ...spec, wrap_secret_id: wrap.reveal() })
}

test('a submission as a form, with all keys, null arrays and something behind it', async () => {
  const body = await direct({
    qname: 'Play Job1',
    entrypoint: null,
    env_vars: null,
    secret_refs: null,
    content: '',
    working_directory: '',
  })
  const answer = await post(`${body}\n{"qname":"ignored"} trailing`)
  expect(answer).toMatchObject({ http: 200, type: 'application/json; charset=utf-8' })
  expect(answer.body).toMatchObject({
    _id: expect.stringMatching(/^[0-9a-f]{24}$/),
    status: 'queued',
    qname: 'play job1',
  })
  const id = String(answer.body._id)
  await untilEnded(stack, stack.client(server.address, stack.root), id)
  const job = JSON.parse((await get(`/v1/api/job/${id.toUpperCase()}`, { 'x-auth-token': stack.root.reveal() })).text)
  expect(job).toMatchObject({
    _id: id,
    status: 'success',
    node_uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    qname: 'play job1',
    container_image: stack.image,
    output: 'hello\n',
    stderr: 'oops\n',
    return_code: 0,
    tty: false,
  })
  for (const time of [job.submitted, job.started, job.ended])
    expect(time).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/)
})

test('times that are not set yet are zero times, and a queued job has no node', async () => {
  const first = await post(await direct({ qname: 'zero', run: ['sh', '-c', 'sleep 1'] }))
  const second = await post(await direct({ qname: 'zero' }))
  const client = stack.client(server.address, stack.root)
  expect(await client.get(String(second.body._id))).toMatchObject({
    status: 'queued',
    node_uuid: '',
    started: '0001-01-01T00:00:00Z',
    ended: '0001-01-01T00:00:00Z',
    output: '',
  })
  for (const { body } of [first, second]) await untilEnded(stack, client, String(body._id))
})

test('the list: pages of ten, newest first', async () => {
  const { http, text } = await get('/v1/api/job?skip=nonsense', { 'x-auth-token': stack.root.reveal() })
  const list = JSON.parse(text)
  expect(http).toBe(200)
  expect(list).toMatchObject({ skip: 0, limit: 10, total: list.data.length })
  const times = list.data.map((job: { submitted: string }) => Date.parse(job.submitted))
  expect(times).toEqual([...times].sort((a, b) => b - a))
  const rest = JSON.parse((await get(`/v1/api/job?skip=${list.total}`, { 'x-auth-token': stack.root.reveal() })).text)
  expect(rest).toMatchObject({ data: [], skip: list.total })
})

test('the first of several tokens counts; other headers for it work too', async () => {
  const token = stack.root.reveal()
  expect((await get('/v1/api/job', { 'x-auth-token': `${token}, other` })).http).toBe(200)
  expect((await get('/v1/api/job', { 'x-vault-token': token })).http).toBe(200)
  expect((await get('/v1/api/job', { authorization: `Bearer ${token}` })).http).toBe(200)
})

test('a trailing slash is redirected for every method, the query kept, and never to another host', async () => {
  const { http, headers } = await get('/v1/api/job/?skip=3')
  expect({ http, location: headers.location }).toEqual({ http: 301, location: '/v1/api/job?skip=3' })
  expect((await get('//evil.example/')).headers.location).not.toMatch(/^\/\//)
  const posted = await request(`${server.address}/v1/api/job/`, { method: 'POST', body: '{}' })
  expect(posted.statusCode).toBe(301)
  await posted.body.dump()
})

test('health: every value a text; one of them bare', async () => {
  const health = JSON.parse((await get('/v1/api/health')).text)
  for (const value of Object.values(health)) expect(value).toBeTypeOf('string')
  expect(health).toMatchObject({
    state: 'active',
    queued_jobs: '0',
    running_jobs: '0',
    unknown_jobs: '0',
    notauthorised_jobs: '0',
  })
  for (const key of [
    'all_jobs',
    'stopping_jobs',
    'success_jobs',
    'failed_jobs',
    'containers',
    'containers_running',
    'containers_paused',
    'containers_stopped',
    'images',
    'mem_total',
  ]) {
    expect(health[key], key).toMatch(/^\d+$/)
  }
  expect(health.architecture).not.toBe('')
  expect(await get('/v1/api/health?k=running_jobs')).toMatchObject({
    http: 200,
    text: '0',
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
  const unknown = await get('/v1/api/health?k=nothing')
  expect(unknown.http).toBe(400)
  expect(JSON.parse(unknown.text)).toMatchObject({ status: 'Invalid request.', error: 'Invalid health metric key' })
  expect((await get('/v1/api/health?k=__proto__')).http).toBe(400)
})

test('where Vault is', async () => {
  expect(JSON.parse((await get('/v1/api/vault/info')).text)).toMatchObject({
    vault_addr: stack.vault.address,
    vault_external_addr: 'https://vault.example',
  })
})

test('metrics: requests by route and not by id, jobs by status', async () => {
  await get(`/v1/api/job/${'a'.repeat(24)}`, { 'x-auth-token': stack.root.reveal() })
  const { text, headers } = await get('/v1/api/metrics')
  expect(headers['content-type']).toContain('text/plain')
  expect(text).toMatch(
    /gostint_request_duration_seconds_count\{service="gostint",code="404",method="GET",path="\/v1\/api\/job\/:id"\} 1/,
  )
  expect(text).toMatch(/writ_jobs\{status="success"\} [1-9]/)
  expect(text).toContain('process_resident_memory_bytes')
  expect(text).not.toContain('a'.repeat(24))
})

test('unknown paths', async () => {
  expect((await get('/v1/api/nothing')).http).toBe(404)
  expect((await get('/v1/api/job/x/y/z')).http).toBe(404)
})

test('SIGINT drains: running jobs go on, waiting ones stay, requests are answered; SIGTERM ends', async () => {
  const other = await stack.startServer()
  const client = stack.client(other.address)
  await server.stop('SIGTERM')
  const running = await client.submit(shell(stack, 'echo up; sleep 2; echo done', { qname: 'drain' }))
  await until(async () => (await client.get(running._id)).output_bytes > 0)
  process.kill(other.pid, 'SIGINT')
  await until(async () => (await (await request(`${other.address}/v1/api/health?k=state`)).body.text()) === 'draining')
  const waiting = await client.submit(shell(stack, 'echo later', { qname: 'drained' }))
  expect((await untilEnded(stack, client, running._id)).stdout).toBe('up\ndone\n')
  expect((await client.get(waiting._id)).status).toBe('queued')
  await other.stop('SIGTERM')
  server = await stack.startServer()
  const later = await untilEnded(stack, stack.client(server.address), waiting._id)
  expect(later.stdout).toBe('later\n')
  expect(later.job.node_uuid).not.toBe((await stack.client(server.address).get(running._id)).node_uuid)
})
