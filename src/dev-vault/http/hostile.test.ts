import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DevVault, startDevVault } from '../server.ts'
import { testClient } from './test-client.ts'

let vault: DevVault
let faults: unknown[]
let call: ReturnType<typeof testClient>
beforeEach(async () => {
  faults = []
  vault = await startDevVault({ onError: error => faults.push(error) })
  call = testClient(vault)
})
afterEach(async () => {
  // Whatever was sent, the server still answers.
  expect((await call('GET', 'sys/health', { token: '' })).status).toBe(200)
  await vault.close()
  expect(faults).toEqual([])
})

/** The status of a request that no client library would send. */
async function rawStatus(path: string, more = ''): Promise<number> {
  const socket = connect(Number(new URL(vault.address).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: ${vault.rootToken}\r\n${more}Connection: close\r\n\r\n`,
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(/^HTTP\/1.1 (\d+)/.exec(answer.toString())?.[1])
}

describe('bodies', () => {
  it.each([
    ['deep lists', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`],
    ['deep objects', '{"a":'.repeat(100_000)],
    ['deep beside an exact number', `${'[1.0,'.repeat(20_000)}1${']'.repeat(20_000)}`],
    ['no JSON', '{"a":'],
    ['a list', '[1]'],
    ['a text', '"a"'],
    ['a number', '1'],
    ['two values', '{} {}'],
    ['bytes that are no UTF-8 outside a text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
  ])('%s: 400', async (_, body) => {
    const answer = await call('POST', 'cubbyhole/a', { body })
    expect(answer).toEqual({ status: 400, body: { errors: [expect.stringContaining('JSON')] } })
  })

  it('null is nothing', async () => {
    expect((await call('POST', 'auth/token/create', { body: 'null' })).status).toBe(200)
  })

  it('JSON is JSON whatever curl says it is; what does not begin as JSON is then a form', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const write = (body: string) => call('POST', 'cubbyhole/form', { body, headers })
    const stored = async () => (await call('GET', 'cubbyhole/form')).body.data
    expect((await write(' \n{"a": "x&b=y"}')).status).toBe(204)
    expect(await stored()).toEqual({ a: 'x&b=y' })
    expect((await write('a=x&b=%7B')).status).toBe(204)
    expect(await stored()).toEqual({ a: 'x', b: '{' })
    expect((await write('[1]')).status).toBe(400)
  })

  it('more than 32 MiB: 413, or the connection ends', async () => {
    const body = Buffer.alloc(33 * 1024 * 1024, 0x20)
    const status = await call('POST', 'secret/data/a', { body }).then(
      answer => answer.status,
      () => 'ended',
    )
    expect([413, 'ended']).toContain(status)
  })

  it('a client that goes away in the middle is no fault', async () => {
    const socket = connect(Number(new URL(vault.address).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write('POST /v1/secret/data/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"data":')
    await call('GET', 'sys/health')
    socket.resetAndDestroy()
    await once(socket, 'close')
    await call('GET', 'sys/health')
  })

  it('no prototype can be reached', async () => {
    const body = '{"data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}'
    expect((await call('POST', 'secret/data/p', { body })).status).toBe(200)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(JSON.stringify((await call('GET', 'secret/data/p')).body)).toContain('"__proto__":{"polluted":1}')
    for (const path of ['__proto__', 'constructor', 'sys/policies/acl/constructor', 'transit/keys/__proto__']) {
      expect((await call('GET', path)).status).toBe(404)
    }
  })
})

describe('paths', () => {
  it.each([
    ['/v1/secret//data/a', 301],
    ['/v1/secret/./data/a', 301],
    ['/v1/secret/data/../../sys/mounts', 301],
    ['/v1/secret/data/%2e%2e/%2e%2e/sys/mounts', 301],
    ['/v1/secret/data%2f%2f..%2fsys', 301],
    ['/v1/..', 301],
    ['//', 301],
    ['/v1/secret/data/a%00b', 400],
    ['/v1/secret/data/a%0ab', 400],
    ['/v1/secret/data/%e2%80%a8', 400],
    ['/v1/secret/data/%zz', 400],
    ['/v1/secret/data/%ff', 400],
    ['/v1/secret%2fdata%2fnone', 404],
    ['/', 404],
    ['/v1', 404],
    ['*', 404],
    ['/v2/secret/data/a', 404],
    ['http://elsewhere/v1/secret/data/none', 404],
    ['http://elsewhere', 404],
  ])('%s: %d', async (path, status) => {
    expect(await rawStatus(path)).toBe(status)
  })

  it('a path of many parts: 404', async () => {
    expect(await rawStatus(`/v1/secret/data/${'a/'.repeat(3000)}b`)).toBe(404)
  })

  it('a head that is too long: 4xx', async () => {
    expect(await rawStatus('/v1/sys/health', `X-Long: ${'a'.repeat(100_000)}\r\n`)).toBeGreaterThanOrEqual(400)
  })

  it('what is escaped in a key stays in the key', async () => {
    await call('POST', 'sys/mounts/kv', { body: { type: 'kv' } })
    expect((await call('POST', 'kv/a%3Fb%23c%25d', { body: { v: 1 } })).status).toBe(204)
    expect((await call('LIST', 'kv')).body.data).toEqual({ keys: ['a?b#c%d'] })
  })
})

describe('headers', () => {
  it.each(['abc', '5 parsecs', '-1s', `${'1'.repeat(25)}x`])('wrap ttl %s: 400', async wrapTtl => {
    expect((await call('GET', 'sys/mounts', { wrapTtl })).status).toBe(400)
  })

  it('a namespace is ignored', async () => {
    expect((await call('GET', 'sys/mounts', { headers: { 'x-vault-namespace': 'team/a' } })).status).toBe(200)
  })

  it('two tokens are none', async () => {
    expect(await rawStatus('/v1/sys/mounts', 'X-Vault-Token: another\r\n')).toBe(403)
  })
})

describe('fields', () => {
  it('any JSON in any field of any path is an answer and not a 500', async () => {
    await call('POST', 'sys/mounts/transit', { body: { type: 'transit' } })
    await call('POST', 'sys/auth/approle', { body: { type: 'approle' } })
    await call('POST', 'auth/approle/role/r', { body: {} })
    await call('POST', 'transit/keys/k', { body: {} })
    const paths = fc.constantFrom(
      ...['auth/token/create', 'auth/token/lookup', 'auth/token/roles/x', 'auth/token/renew', 'auth/token/revoke'],
      ...['auth/approle/login', 'auth/approle/role/q', 'auth/approle/role/r/secret-id', 'sys/mounts/m', 'sys/auth/n'],
      ...[
        'sys/policies/acl/p',
        'sys/capabilities-self',
        'sys/wrapping/lookup',
        'sys/wrapping/unwrap',
        'sys/leases/lookup',
      ],
      ...[
        'transit/encrypt/k',
        'transit/decrypt/k',
        'transit/hmac/k',
        'transit/verify/k',
        'transit/restore',
        'transit/hash',
      ],
      ...[
        'secret/data/x',
        'secret/metadata/x',
        'secret/delete/x',
        'secret/config',
        'sys/mounts/secret/tune',
        'sys/remount',
      ],
    )
    const names = fc.constantFrom(
      ...[
        'token',
        'ttl',
        'policies',
        'policy',
        'type',
        'config',
        'options',
        'path',
        'paths',
        'lease_id',
        'role_id',
        'from',
      ],
      ...[
        'secret_id',
        'token_ttl',
        'token_bound_cidrs',
        'cidr_list',
        'metadata',
        'meta',
        'num_uses',
        'display_name',
        'to',
      ],
      ...[
        'plaintext',
        'ciphertext',
        'context',
        'input',
        'hmac',
        'signature',
        'backup',
        'batch_input',
        'key_version',
        'id',
      ],
      ...['data', 'versions', 'delete_version_after', 'max_versions', 'period', 'token_type', 'default_lease_ttl'],
    )
    const body = fc.dictionary(names, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(paths, body, async (path, fields) => {
        const { status } = await call('POST', path, { body: fields })
        expect(status, `${path} ${JSON.stringify(fields)}`).not.toBe(500)
      }),
      { numRuns: 1500 },
    )
  })
})
