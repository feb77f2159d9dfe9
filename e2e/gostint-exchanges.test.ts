import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverSettings } from '../src/cli/dev/prepare-vault.ts'
import { authorize } from '../src/client/seal.ts'
import type { Secret } from '../src/vault/secret.ts'
import { createToken } from '../src/vault/token.ts'
import { selfSigned } from '../test/certificate.ts'
import { CALLERS, EXCHANGES, KEYS, NONE, NUMBERS } from './gostint-answers.ts'
import { type ServerProcess, type Stack, shell, startStack, until } from './stack.ts'

/**
 * GoStint's exchanges, one by one (gostint.md §2), on a server with the names of its settings and its TLS: what a client that looks at
 * every byte would notice.
 */
let stack: Stack
let server: ServerProcess
let folder: string
let agent: Agent
let cert: string
let token: Secret
/** Ids of a job that runs, one that waits behind it, and one that has ended. */
const ids = { running: '', waiting: '', ended: '' }

beforeAll(async () => {
  stack = await startStack()
  folder = await mkdtemp(join(tmpdir(), 'writ-exchanges-'))
  const made = selfSigned()
  cert = made.cert
  for (const [name, text] of Object.entries({ 'cert.pem': made.cert, 'key.pem': made.key }))
    await writeFile(join(folder, name), text)
  const { WRIT_JOB_ROLE = '', WRIT_JOB_ROLE_ID = '', WRIT_ROLE_ID = '' } = serverSettings(stack.identities)
  const none = { WRIT_PORT: '', WRIT_JOB_ROLE: '', WRIT_JOB_ROLE_ID: '', WRIT_ROLE_ID: '', WRIT_KILL_GRACE: '1' }
  server = await stack.startServer({
    ...none,
    GOSTINT_PORT: '0',
    GOSTINT_SSL_CERT: join(folder, 'cert.pem'),
    GOSTINT_SSL_KEY: join(folder, 'key.pem'),
    GOSTINT_ROLENAME: WRIT_JOB_ROLE,
    GOSTINT_ROLEID: WRIT_JOB_ROLE_ID,
    GOSTINT_RUN_ROLEID: WRIT_ROLE_ID,
    GOSTINT_DBURL: '172.17.0.1:27017',
    GOSTINT_RUN_ROLENAME: 'gostint-run-role',
    GOSTINT_UI: '1',
    WRIT_ANSWER_OUTPUT: '16777216',
    VAULT_CACERT: join(folder, 'cert.pem'),
  })
  agent = new Agent({ connect: { ca: cert } })
  token = await apiToken()
  ids.ended = await submit('echo done')
  await ended(ids.ended)
  ids.running = await submit('exec sleep 600', { qname: 'held' })
  await until(async () => (await ask('GET', `/v1/api/job/${ids.running}`)).json.status === 'running')
  ids.waiting = await submit('true', { qname: 'held' })
})
afterAll(async () => {
  await ask('POST', `/v1/api/job/kill/${ids.running}`).catch(() => {})
  await agent?.close()
  await stack.close()
  await rm(folder, { recursive: true, force: true })
})

/** A child token of the requestor that may do nothing: what GoStint's clients send. */
async function apiToken(uses = 0): Promise<Secret> {
  const made = await createToken(stack.vault, stack.identities.requestorToken, {
    policies: ['default'],
    num_uses: uses,
  })
  return made.token
}

type Headers = Record<string, string> | string[]

async function ask(method: string, path: string, body: string | null = null, headers: Headers = {}) {
  const all = Array.isArray(headers) ? headers : { 'x-auth-token': token.reveal(), ...headers }
  const answer = await request(`${server.address}${path}`, {
    method: method as 'GET',
    headers: all,
    body,
    dispatcher: agent,
  })
  const text = await answer.body.text()
  const isJson = String(answer.headers['content-type']).startsWith('application/json')
  const json = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>
  return { http: answer.statusCode, headers: answer.headers, type: answer.headers['content-type'], text, json }
}

async function direct(spec: object): Promise<string> {
  const wrap = await authorize(stack.vault, stack.identities.requestorToken, { jobRole: 'writ-job' })
  return JSON.stringify({ ...spec, wrap_secret_id: wrap.reveal() })
}

async function submit(script: string, more: object = {}): Promise<string> {
  const { http, json, text } = await ask('POST', '/v1/api/job', await direct({ ...shell(stack, script), ...more }))
  expect(http, text).toBe(200)
  return String(json._id)
}

async function ended(id: string) {
  let job: Record<string, unknown> = {}
  await until(async () => {
    job = (await ask('GET', `/v1/api/job/${id}`)).json
    return !['queued', 'running', 'stopping'].includes(String(job.status))
  })
  return job
}

describe('errors', () => {
  test.each(EXCHANGES)(
    'in the words of GoStint: %s %s with %j is %i, %s',
    async (method, path, body, http, status, error) => {
      const answer = await ask(method, path, body)
      expect(answer).toMatchObject({ http, type: 'application/json; charset=utf-8', json: { status } })
      if (typeof error === 'string') expect(answer.json.error).toBe(error)
      else expect(answer.json.error).toMatch(error)
      expect(answer.text).toMatch(/^\{.*\}\n$/)
    },
  )

  test.each(CALLERS)(
    '%s: on every route of jobs, before anything else is looked at',
    async (_, headers, http, status, error) => {
      for (const [method, path] of [
        ['GET', '/v1/api/job'],
        ['GET', '/v1/api/job/zzz'],
        ['DELETE', `/v1/api/job/${ids.ended}`],
        ['POST', '/v1/api/job'],
        ['POST', `/v1/api/job/kill/${ids.running}`],
      ] as const) {
        const answer = await ask(method, path, method === 'POST' ? 'no json' : null, headers)
        expect(answer, path).toMatchObject({ http, type: 'application/json; charset=utf-8', json: { status } })
        if (typeof error === 'string') expect(answer.json.error).toBe(error)
        else expect(answer.json.error).toMatch(error)
      }
    },
  )

  test('a job that runs or is being stopped is not deleted', async () => {
    const answer = await ask('DELETE', `/v1/api/job/${ids.running}`)
    expect(answer).toMatchObject({ http: 400, json: { status: 'Invalid job request.' } })
    expect(answer.json.error).toContain('running')
    expect((await ask('GET', `/v1/api/job/${ids.running}`)).json.status).toBe('running')
  })
})

describe('what every answer has in common', () => {
  test('TLS and nothing else; a client that would rather speak HTTP/2 gets HTTP/1.1', async () => {
    const { hostname, port } = new URL(server.address)
    expect(server.address).toMatch(/^https:/)
    const socket = connect({ host: hostname, port: Number(port), ca: cert, ALPNProtocols: ['h2', 'http/1.1'] })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.destroy()
    await expect(request(server.address.replace('https', 'http'))).rejects.toThrow()
  })

  test('no TLS of before 1.2, and no wish for a certificate of the client', async () => {
    const { hostname, port } = new URL(server.address)
    const options = { host: hostname, port: Number(port), ca: cert, ciphers: 'DEFAULT@SECLEVEL=0' }
    const protocol = async (maxVersion: 'TLSv1.1' | 'TLSv1.2') => {
      const socket = connect({ ...options, minVersion: 'TLSv1', maxVersion })
      try {
        await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
        return socket.getProtocol()
      } finally {
        socket.destroy()
      }
    }
    await expect(protocol('TLSv1.1')).rejects.toThrow(/alert/)
    expect(await protocol('TLSv1.2')).toBe('TLSv1.2')
  })

  test.each([
    ['PUT', '/v1/api/job', 405],
    ['GET', `/v1/api/job/kill/${NONE}`, 405],
    ['GET', '/v1/api/job/x/y/z', 404],
    ['POST', '/v1/api/metrics', 405],
    ['GET', '/v1/api/metrics/more', 404],
  ])('%s %s is %i to everybody', async (method, path, http) => {
    for (const headers of [[], ['x-auth-token', 's.none'], ['x-auth-token', token.reveal()]])
      expect(await ask(method, path, null, headers)).toMatchObject({ http, json: { code: expect.any(String) } })
  })

  test('JSON whatever is accepted, with a line end, uncompressed, without a word for other sites', async () => {
    const headers = { accept: 'text/html', 'accept-encoding': 'gzip, deflate', origin: 'https://elsewhere.example' }
    for (const path of ['/v1/api/job', `/v1/api/job/${ids.ended}`, '/v1/api/health', '/v1/api/vault/info']) {
      const answer = await ask('GET', path, null, headers)
      expect(answer, path).toMatchObject({ http: 200, type: 'application/json; charset=utf-8' })
      expect(answer.text).toMatch(/^\{.*\}\n$/)
      expect(answer.headers['content-encoding']).toBeUndefined()
      expect(Object.keys(answer.headers).filter(name => name.startsWith('access-control'))).toEqual([])
    }
    expect((await ask('OPTIONS', '/v1/api/job', null, headers)).http).toBe(405)
  })

  test.each(['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'])(
    '%s with a slash at the end is redirected',
    async method => {
      for (const path of ['/v1/api/job', '/v1/api/health', '/v1/api/nothing', '/login']) {
        const answer = await ask(method, `${path}/?a=1&b=%2F`, method === 'GET' ? null : '{}', [])
        expect({ http: answer.http, to: answer.headers.location }).toEqual({ http: 301, to: `${path}?a=1&b=%2F` })
      }
    },
  )

  test('a token that may be used three times is good for three calls about its own job', async () => {
    const few = { 'x-auth-token': (await apiToken(3)).reveal() }
    const submitted = await ask('POST', '/v1/api/job', await direct(shell(stack, 'true')), few)
    const path = `/v1/api/job/${submitted.json._id}`
    const calls = [await ask('GET', path, null, few), await ask('POST', path.replace('job/', 'job/kill/'), null, few)]
    expect([submitted, ...calls].map(({ http }) => http)).toEqual([200, 200, 200])
    expect((await ask('GET', path, null, few)).http).toBe(403)
  })

  test('the list, and jobs of others, take one use more: Vault is asked what is allowed', async () => {
    for (const path of ['/v1/api/job', `/v1/api/job/${NONE}`]) {
      const two = { 'x-auth-token': (await apiToken(2)).reveal() }
      expect([200, 404]).toContain((await ask('GET', path, null, two)).http)
      expect((await ask('GET', path, null, two)).http).toBe(403)
    }
  })
})

describe('a job', () => {
  test.each(['waiting', 'running', 'ended'] as const)('that is %s has all keys, each of its type', async which => {
    const { json } = await ask('GET', `/v1/api/job/${ids[which]}`)
    const types = Object.fromEntries(Object.keys(KEYS).map(key => [key, typeof json[key]]))
    expect(types).toEqual(KEYS)
    expect(json).not.toHaveProperty('container_id')
    expect(Number.isInteger(json.return_code)).toBe(true)
    const never = '0001-01-01T00:00:00Z'
    expect([json.started === never, json.ended === never, json.node_uuid === '']).toEqual(
      { waiting: [true, true, true], running: [false, true, false], ended: [false, false, false] }[which],
    )
    expect(json.status).toBe({ waiting: 'queued', running: 'running', ended: 'success' }[which])
  })

  test('is in the list as it is by itself', async () => {
    const { json } = await ask('GET', '/v1/api/job')
    const listed = (json.data as Record<string, unknown>[]).find(({ _id }) => _id === ids.ended)
    expect(listed).toEqual((await ask('GET', `/v1/api/job/${ids.ended}`)).json)
  })

  test('is known by its id in capitals; what removes it says the id as it was asked', async () => {
    const id = await submit('true')
    await ended(id)
    const capitals = id.toUpperCase()
    expect((await ask('GET', `/v1/api/job/${capitals}`)).json._id).toBe(id)
    expect((await ask('POST', `/v1/api/job/kill/${capitals}`)).json._id).toBe(id)
    expect(await ask('DELETE', `/v1/api/job/${capitals}`, 'no json')).toMatchObject({
      http: 200,
      json: { _id: capitals },
    })
    expect((await ask('GET', `/v1/api/job/${id}`)).http).toBe(404)
  })

  test('that has ended and is killed stays as it is, and the kill says so', async () => {
    const id = await submit('exit 3')
    const before = await ended(id)
    const killed = await ask('POST', `/v1/api/job/kill/${id}`, 'whatever=1')
    expect(killed.json).toEqual({ _id: id, container_id: expect.any(String), status: 'failed', kill_requested: true })
    expect((await ask('GET', `/v1/api/job/${id}`)).json).toEqual(before)
  })

  test('takes nothing but its fields from the request, also of the wrong form', async () => {
    const preset = { _id: 'no id', container_id: 'x', kill_requested: true, node_uuid: 7, ended: 'x', return_code: 9 }
    const id = await submit('echo ran', preset)
    expect(await ended(id)).toMatchObject({ _id: id, status: 'success', output: 'ran\n', return_code: 0 })
  })

  test('may say the path of a cubbyhole and no token of it only if it has none of both', async () => {
    const half = await direct({ ...shell(stack, 'true'), cubby_path: 'cubbyhole/job', cubby_token: '' })
    expect(await ask('POST', '/v1/api/job', half)).toMatchObject({
      http: 400,
      json: { status: 'Invalid job request.' },
    })
    await ended(await submit('true', { cubby_path: '', cubby_token: '', payload: '' }))
  })

  test('is taken from an envelope that is sent along, and not out of an empty cubbyhole', async () => {
    const job = Buffer.from(JSON.stringify(shell(stack, 'echo from a payload', { qname: 'Inline' }))).toString('base64')
    const send = { method: 'POST', token: stack.root } as const
    const encrypted = await stack.vault.send({ ...send, path: 'transit/encrypt/writ-job', body: { plaintext: job } })
    const answer = await ask(
      'POST',
      '/v1/api/job',
      await direct({ qname: 'INLINE', payload: encrypted?.data?.ciphertext }),
    )
    expect(answer).toMatchObject({ http: 200, json: { qname: 'inline' } })
    expect(await ended(String(answer.json._id))).toMatchObject({ output: 'from a payload\n' })

    const cubby_token = (await apiToken(2)).reveal()
    const empty = await direct({ qname: '', cubby_token, cubby_path: 'cubbyhole/job' })
    expect(await ask('POST', '/v1/api/job', empty)).toMatchObject({ http: 400, json: { code: 'envelope_empty' } })
  })

  test('with a terminal: both streams in output, CRLF, nothing in stderr', async () => {
    const job = await ended(await submit('echo out; echo err >&2; test -t 0 && test -t 1', { tty: true }))
    expect(job).toMatchObject({ status: 'success', tty: true, output: 'out\r\nerr\r\n', stderr: '' })
  })

  test('whose output is no text: U+FFFD, and what JSON escapes arrives as it was', async () => {
    const script = String.raw`printf '\377<&>\0\033[1m"\\ok' `
    expect((await ended(await submit(script))).output).toBe('\ufffd<&>\0\u001b[1m"\\ok')
  })

  test('of 12 MB of output has it all, where the server is to answer so much', async () => {
    const { output } = await ended(await submit('head -c 12000000 /dev/zero | tr "\\0" x'))
    expect(String(output) === 'x'.repeat(12_000_000)).toBe(true)
  })

  test('finds itself as in GoStint: user, home, environment, and its own over that of the image', async () => {
    const script = `id; whoami; tail -1 /etc/passwd; pwd; echo $HOME $A $VAULT_ADDR; [ -n "$VAULT_TOKEN" ] && echo token; cat "$VAULT_CACERT" - `
    const job = await ended(await submit(script, { env_vars: ['A=1', 'A=2', 'VAULT_ADDR=mine', 'VAULT_TOKEN=mine'] }))
    expect(job.output).toBe(
      `uid=2001(gostint) gid=2001 groups=2001\ngostint\ngostint:x:2001:2001:gostint:/tmp:/bin/sh\n/\n/tmp 2 ${stack.vault.address}\ntoken\n${cert}`,
    )
  })

  test('has its content over the root, with its owners; its own /etc/passwd gets the user', async () => {
    const tar = pack()
    tar.entry({ name: './gostint.yml' }, `container_image: ${stack.image}\n`)
    tar.entry({ name: './etc/passwd' }, 'me:x:7:7:me:/me:/bin/sh')
    tar.entry({ name: './secrets.yml' }, 'own: file\n')
    tar.entry({ name: './work', type: 'directory', uid: 2001, gid: 2001, mode: 0o700 })
    tar.entry({ name: './theirs', type: 'directory', uid: 0, gid: 0, mode: 0o755 })
    tar.finalize()
    const content = `targz,${gzipSync(await buffer(tar)).toString('base64')}`
    const script =
      'cat /gostint.yml; whoami; stat -c "%a %u" /etc/passwd; touch new && touch /theirs/new || echo not there; grep -c own /secrets.yml; sed -n 1p /secrets.yml; stat -Lc %a /secrets.yml'
    const job = await ended(await submit(script, { container_image: '', content, working_directory: '/work' }))
    expect(job.output).toBe(`container_image: ${stack.image}\ngostint\n444 0\nnot there\n0\n---\n444\n`)
    expect(job.container_image).toBe(stack.image)
  })
})

describe('without a token', () => {
  test('health: all keys, and each of them alone, bare and without a line end', async () => {
    const { json } = await ask('GET', '/v1/api/health', null, [])
    for (const key of [...NUMBERS, 'state', 'architecture', 'operating_system']) {
      expect(json[key], key).toEqual(expect.stringMatching(NUMBERS.includes(key) ? /^\d+$/ : /./))
      const one = await ask('GET', `/v1/api/health?k=${key}`, null, [])
      expect(one).toMatchObject({ http: 200, type: 'text/plain; charset=utf-8' })
      expect(one.text).toMatch(NUMBERS.includes(key) ? /^\d+$/ : /^.*\S$/)
    }
    expect(json.state).toBe('active')
  })

  test('where Vault is, for people too where nothing else is said', async () => {
    const { json } = await ask('GET', '/v1/api/vault/info', null, [])
    expect(json).toMatchObject({ vault_addr: stack.vault.address, vault_external_addr: stack.vault.address })
  })

  test('metrics: a histogram with its labels and buckets', async () => {
    await ask('GET', '/v1/api/health', null, [])
    const { text, type } = await ask('GET', '/v1/api/metrics', null, [])
    expect(type).toMatch(/^text\/plain/)
    expect(text).toContain('# TYPE gostint_request_duration_seconds histogram\n')
    const labels = 'service="gostint",code="200",method="GET",path="/v1/api/health"'
    const buckets = [...text.matchAll(/^gostint_request_duration_seconds_bucket\{(.*)\} \d+$/gm)]
      .map(([, found = '']) => found)
      .filter(found => found.includes(labels))
      .map(found => /le="([^"]+)"/.exec(found)?.[1])
    expect(buckets).toEqual(['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'])
    expect(text).toContain(`gostint_request_duration_seconds_sum{${labels}}`)
  })

  test('the page is not served, whatever GOSTINT_UI says', async () => {
    for (const path of ['/', '/login', '/index.html']) expect((await ask('GET', path, null, [])).http).toBe(404)
  })
})

test('a node without an engine says what it knows, and takes a kill for a job of another one', async () => {
  const other = await stack.startServer({ DOCKER_HOST: `unix://${join(folder, 'none.sock')}` })
  const there = async (method: 'GET' | 'POST', path: string) => {
    const answer = await request(`${other.address}${path}`, { method, headers: { 'x-auth-token': token.reveal() } })
    return { http: answer.statusCode, text: await answer.body.text() }
  }
  // it must not claim what it cannot run
  other.signal('SIGINT')
  await until(async () => (await there('GET', '/v1/api/health?k=state')).text === 'draining')
  const health = await there('GET', '/v1/api/health')
  expect(health.http).toBe(200)
  expect(JSON.parse(health.text)).toMatchObject({ engine: 'unavailable', running_jobs: '1', queued_jobs: '1' })
  expect(JSON.parse(health.text)).not.toHaveProperty('containers')
  expect((await there('GET', '/v1/api/health?k=containers')).http).toBe(400)
  const killed = await there('POST', `/v1/api/job/kill/${ids.running}`)
  expect(JSON.parse(killed.text)).toMatchObject({ status: 'running', kill_requested: true })
  // it wrote nothing, so its output says why
  expect(await ended(ids.running)).toMatchObject({ status: 'failed', output: expect.stringContaining('kill') })
  expect((await ended(ids.waiting)).status).toBe('success')
})
