import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'
import { request } from 'undici'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { authorize } from '../src/client/seal.ts'
import { type ServerProcess, type Stack, startStack, untilEnded } from './stack.ts'

let stack: Stack
let server: ServerProcess

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
})
afterAll(() => stack.close())

afterEach(async () => {
  // whatever it was, the same process still answers
  const response = await request(`${server.address}/v1/api/health`)
  expect(response.statusCode).toBe(200)
  expect(await response.body.json()).toMatchObject({ state: 'active', sealed: 'false' })
})

async function send(body: string | Buffer, path = '/v1/api/job', method: 'POST' | 'GET' | 'DELETE' = 'POST') {
  const response = await request(`${server.address}${path}`, {
    method,
    headers: {
      'x-auth-token': stack.identities.requestorToken.reveal(),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: method === 'POST' ? body : null,
  })
  const answer = (await response.body.json()) as Record<string, unknown>
  const all: Record<string, unknown> = { http: response.statusCode, ...answer }
  return all
}

async function direct(spec: Record<string, unknown>) {
  const wrap = await authorize(stack.vault, stack.identities.requestorToken, { jobRole: 'writ-job' })
  return await send(
    JSON.stringify({ container_image: stack.image, run: ['true'], wrap_secret_id: wrap.reveal(), ...spec }),
  )
}

test.each([
  ['nothing', '', 'body_empty'],
  ['text', 'hello', 'body_not_json'],
  ['half of it', '{"qname": "a', 'body_not_json'],
  ['invalid UTF-8', Buffer.from('{"qname":"\xff"}', 'latin1'), 'body_not_json'],
  ['too deep', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 'body_not_json'],
  ['a list', '[1,2]', 'body_invalid'],
  ['null', 'null', 'body_invalid'],
  ['a number for a text', '{"qname": 5}', 'body_invalid'],
  ['a text for a list', '{"run": "true"}', 'body_invalid'],
  ['a list of numbers', '{"run": [1]}', 'body_invalid'],
  ['a text for a flag', '{"tty": "yes"}', 'body_invalid'],
  ['an unknown form of the secrets', '{"secret_file_type": "YAML"}', 'body_invalid'],
  ['an unknown pull policy', '{"image_pull_policy": "Sometimes"}', 'body_invalid'],
])('%s is refused', async (_name, body, code) => {
  expect(await send(body)).toMatchObject({ http: 400, code, error: expect.any(String), remedy: expect.any(String) })
})

test('50 MB are refused without being read to the end', async () => {
  const response = await request(`${server.address}/v1/api/job`, {
    method: 'POST',
    headers: { 'x-auth-token': stack.identities.requestorToken.reveal() },
    body: Buffer.alloc(50_000_000, 'a'),
  })
  expect(response.statusCode).toBe(413)
  expect(await response.body.json()).toMatchObject({ code: 'body_too_large' })
})

test('null is absent, unknown fields are ignored, keys match in any case', async () => {
  const answer = await direct({
    entrypoint: null,
    Env_Vars: null,
    unknown: { deep: [1] },
    QNAME: 'Upper',
    secret_refs: null,
  })
  expect(answer).toMatchObject({ http: 200, qname: 'upper' })
  const { job } = await untilEnded(stack, stack.client(server.address, stack.root), answer._id as string)
  expect(job.status).toBe('success')
})

test.each([
  [{ container_image: '' }, 'image_missing'],
  [{ container_image: '-v /:/host' }, 'body_invalid'],
  [{ container_image: 'a\nb' }, 'body_invalid'],
  [{ secret_refs: ['nonsense'] }, 'secret_ref_invalid'],
  [{ secret_refs: ['A@../../sys/raw.x'] }, 'secret_ref_invalid'],
  [{ secret_refs: ['A@//.y'] }, 'secret_ref_invalid'],
  [{ secret_refs: ['A@secret/x'] }, 'secret_ref_invalid'],
  [{ env_vars: ['NO_VALUE'] }, 'env_var_invalid'],
  [{ env_vars: ['A=\u0000'] }, 'env_var_invalid'],
  [{ run: ['a\u0000b'] }, 'body_invalid'],
  [{ content: 'zip,AAAA' }, 'content_invalid'],
  [{ content: 'targz,not base64!' }, 'content_invalid'],
  [{ content: `targz,${Buffer.from('not gzip').toString('base64')}` }, 'content_invalid'],
])('%j is refused', async (spec, code) => {
  expect(await direct(spec)).toMatchObject({ http: 400, code })
})

/** A content with one entry. */
async function contentWith(header: Partial<Header> & { name: string }, data = ''): Promise<string> {
  const tar = pack()
  tar.entry(header, data)
  tar.finalize()
  return `targz,${gzipSync(await buffer(tar)).toString('base64')}`
}

test.each<[string, Partial<Header> & { name: string }]>([
  ['a path that climbs', { name: '../../etc/cron.d/x' }],
  ['an absolute path', { name: '/etc/passwd' }],
  ['an absolute link', { name: 'link', type: 'symlink', linkname: '/etc/shadow' }],
  ['a link that climbs', { name: 'a/link', type: 'symlink', linkname: '../../etc' }],
  ['a hard link to the image', { name: 'link', type: 'link', linkname: 'etc/shadow' }],
  ['a character device', { name: 'dev0', type: 'character-device', devmajor: 1, devminor: 3 }],
  ['a block device', { name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 }],
  ['a pipe in place of /etc/passwd', { name: 'etc/passwd', type: 'fifo' }],
  ['a file in the memory of secrets', { name: 'run/writ/secrets.yml' }],
])('content: %s', async (_name, header) => {
  expect(await direct({ content: await contentWith(header) })).toMatchObject({ http: 400, code: 'content_unsafe' })
})

test('content: a gzip bomb', async () => {
  const zeros = Buffer.alloc(16 * 1024 * 1024)
  const tar = pack()
  for (let i = 0; i < 20; i += 1) tar.entry({ name: `zeros${i}` }, zeros)
  tar.finalize()
  const bomb = gzipSync(await buffer(tar), { level: 9 })
  expect(bomb.byteLength).toBeLessThan(1_000_000)
  expect(await direct({ content: `targz,${bomb.toString('base64')}` })).toMatchObject({
    http: 400,
    code: 'content_too_large',
  })
})

test('ids, paths and offsets that are none', async () => {
  expect(await send('', '/v1/api/job/DOESNOTEXIST', 'GET')).toMatchObject({
    http: 400,
    status: 'Invalid job request.',
    error: 'Invalid job ID (not ObjectIdHex)',
  })
  expect(await send('', `/v1/api/job/${'0'.repeat(24)}`, 'GET')).toMatchObject({
    http: 404,
    status: 'Not Found.',
    error: 'not found',
  })
  expect(await send('', '/v1/api/job/..%2f..%2fetc', 'GET')).toMatchObject({ http: 400, code: 'job_id_invalid' })
  expect(await send('', `/v1/api/job/${'0'.repeat(24)}/output?offset=-1`, 'GET')).toMatchObject({
    http: 400,
    code: 'query_invalid',
  })
  expect(await send('', '/v1/api/nothing', 'GET')).toMatchObject({ http: 404, code: 'route_not_found' })
})
