import { Pool } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lastEntry } from '../../../../test/audit.ts'
import { startTestHttp, type TestHttp } from '../../../../test/http.ts'
import type { Secret } from '../../../vault/secret.ts'

let t: TestHttp
beforeAll(async () => {
  t = await startTestHttp()
})
afterAll(() => t.close())

const IMAGE = `vault:1.7.3@sha256:${'5'.repeat(64)}`
const GOOD = { git_repo_url: 'https://example.org/a.git', docker_image: IMAGE, commands: './x.sh' }

const ask = async (method: string, path: string, body?: unknown, token: Secret | null = t.stack.root) => {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) }
  // the parser's name of it, since these requests have no socket that it could be put right on
  return await t.ask(`/v1/${path}`, token, { method: (method === 'LIST' ? 'LINK' : method) as 'GET', ...payload })
}
const write = (path: string, body: unknown = {}) => ask('PUT', path, body)
const read = async (path: string) => (await ask('GET', path)).body?.data

describe('configure', () => {
  test.each([
    ['docker_image', { docker_image: 'alpine', git_repo_url: '' }, '"docker_image" is invalid: a digest is required'],
    ['docker_image', { docker_image: '', git_repo_url: '' }, '"docker_image" is invalid'],
    ['git_repo_url', { git_repo_url: '' }, '"git_repo_url" should not be empty'],
    ['git_repo_url', { git_repo_url: 'ext::sh -c id' }, '"git_repo_url" is invalid'],
    ['git_repo_url', { git_repo_url: 'https://u:p@example.org/x' }, '"git_repo_url" is invalid'],
    ['git_branch_name', { git_branch_name: '--upload-pack=id' }, '"git_branch_name" is invalid'],
    ['git_poll_period', { git_poll_period: 'soon' }, 'field "git_poll_period"'],
    ['initial', { initial_last_successful_commit: 'HEAD' }, '"initial_last_successful_commit" is not the full id'],
    ['signatures', { required_number_of_verified_signatures_on_commit: -1 }, 'must be from 0'],
    ['commands', { commands: { a: 1 } }, 'field "commands"'],
  ])('%s is checked', async (_, change, text) => {
    const { http, body } = await write('flant_gitops/configure', { ...GOOD, ...change })
    expect({ http, body }).toEqual({
      http: 400,
      body: { errors: [expect.stringContaining(text)], code: 'watch_field_invalid', remedy: expect.any(String) },
    })
    expect(await ask('GET', 'flant_gitops/configure')).toMatchObject({ http: 404, body: { errors: [] } })
  })

  test('is replaced as a whole, read back as it was with seconds as numbers, and removed', async () => {
    expect(await write('flant_gitops/configure', { ...GOOD, git_poll_period: '1m', nonsense: 1 })).toMatchObject({
      http: 204,
      text: '',
    })
    expect(await read('flant_gitops/configure')).toEqual({
      git_repo_url: 'https://example.org/a.git',
      git_branch_name: 'main',
      git_poll_period: 60,
      required_number_of_verified_signatures_on_commit: 0,
      initial_last_successful_commit: '',
      docker_image: IMAGE,
      commands: ['./x.sh'],
    })
    const more = { commands: ['a, b', 'c'], required_number_of_verified_signatures_on_commit: '2' }
    await write('flant-gitops/configure/', { ...GOOD, ...more })
    expect(await read('flant-gitops/configure')).toMatchObject({ git_poll_period: 300, commands: ['a, b', 'c'] })
    expect(await read('flant_gitops/configure/git_repository')).not.toHaveProperty('commands')
    for (const _ of [1, 2]) expect(await ask('DELETE', 'flant_gitops/configure')).toMatchObject({ http: 204 })
    expect(await ask('GET', 'flant_gitops/configure')).toMatchObject({ http: 404, body: { errors: [] } })
  })

  test('the envelope is Vault’s', async () => {
    await write('flant_gitops/configure', GOOD)
    const { body, headers } = await ask('GET', 'flant_gitops/configure/')
    expect(body).toMatchObject({ lease_id: '', renewable: false, lease_duration: 0, wrap_info: null, auth: null })
    expect(body.warnings).toBeNull()
    expect(body.request_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json\b/),
      'cache-control': 'no-store',
    })
  })

  test('an image by its name alone only where the watch says so', async () => {
    await write('flant_gitops/configure/options', { unpinned_image: 'true' })
    expect(await write('flant_gitops/configure', { ...GOOD, docker_image: 'alpine' })).toMatchObject({ http: 204 })
    expect(await read('flant_gitops/configure/options')).toMatchObject({ unpinned_image: true, mode: 'tip' })
    await write('flant_gitops/configure/options', { unpinned_image: 'false' })
  })
})

describe('configure/vault_request', () => {
  const path = 'flant_gitops/configure/vault_request'

  test('none: 404 on the list and on the name', async () => {
    for (const answer of [
      await ask('LIST', path),
      await ask('GET', `${path}?list=true`),
      await ask('GET', `${path}/x`),
    ])
      expect(answer).toMatchObject({ http: 404, body: { errors: [] } })
  })

  test.each([
    [{ path: '' }, '"path" must begin with "/", got: '],
    [{ path: '123' }, '"path" must begin with "/", got: 123'],
    [{ path: '/v1/x', method: '123' }, '"method" must be one of GET, POST, LIST, PUT or DELETE, got: 123'],
    [{ path: '/v1/x', method: 'get' }, 'got: get'],
    [{ path: '/v1/x', wrap_ttl: '1' }, '"wrap_ttl" must be no less than 60s, got: 1s'],
    [{ path: '/v1/../x' }, 'plain path'],
  ])('%j is refused', async (body, text) => {
    const answer = await write(`${path}/r`, body)
    expect(answer).toMatchObject({ http: 400, body: { errors: [expect.stringContaining(text)] } })
  })

  test('is stored with its options, read, listed and removed', async () => {
    const options = { ttl: '1h30m0s', deep: { n: 1, yes: true, none: [] } }
    const first = { path: '/v1/kv/bucket1', method: 'POST', options, wrap_ttl: '5m', name: 'another' }
    expect(await write(`${path}/get_bucket-1`, first)).toMatchObject({ http: 204 })
    await write(`${path}/b`, { path: '/v1/kv/b' })
    const stored = { name: 'get_bucket-1', path: '/v1/kv/bucket1', method: 'POST', options, wrap_ttl: 300 }
    expect(await read(`${path}/get_bucket-1`)).toEqual(stored)
    for (const list of [
      await ask('LIST', path),
      await ask('LIST', `${path}/`),
      await ask('GET', `${path}?list=true`),
    ]) {
      expect(list.body.data.keys).toEqual(['b', 'get_bucket-1'])
      expect(list.body.data.key_info['get_bucket-1']).toEqual(stored)
    }
    const rows = await t.engine.db.selectFrom('watch_requests').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain('1h30m0s')
    // the attack: a second name for the same variable would silently take its place
    const clash = await write(`${path}/GET.bucket_1`, { path: '/v1/x' })
    expect(clash).toMatchObject({ http: 400, body: { errors: [expect.stringContaining('get_bucket-1 already')] } })
    for (const _ of [1, 2]) expect(await ask('DELETE', `${path}/b`)).toMatchObject({ http: 204 })
    expect((await ask('LIST', path)).body.data.keys).toEqual(['get_bucket-1'])
    await ask('DELETE', `${path}/get_bucket-1`)
  })

  test('a path that Vault does not have is said', async () => {
    const answer = await write(`${path}/w`, { path: '/kv/x' })
    expect(answer).toMatchObject({ http: 200, body: { warnings: [expect.stringContaining('/v1/')] } })
    await ask('DELETE', `${path}/w`)
  })
})

describe('what is secret', () => {
  const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-key\n-----END OPENSSH PRIVATE KEY-----\n'

  test.each([
    ['configure/git_credential', { username: 'u', password: 'canary-password' }],
    ['configure/ssh_key', { private_key: KEY }],
    ['configure/webhook', { secret: 'canary-webhook-secret' }],
  ])('%s can be written and removed, and is not read', async (path, body) => {
    expect(await write(`flant_gitops/${path}`, body)).toMatchObject({ http: 204 })
    for (const [method, answer] of [
      ['GET', 405],
      ['LIST', 405],
      ['DELETE', 204],
      ['DELETE', 204],
    ] as const)
      expect(await ask(method, `flant_gitops/${path}`)).toMatchObject({ http: answer })
    await write(`flant_gitops/${path}`, body)
    const everything = [
      await t.engine.db.selectFrom('watches').selectAll().execute(),
      await t.engine.db.selectFrom('audit').selectAll().execute(),
      t.log,
    ]
    expect(JSON.stringify(everything)).not.toContain('canary')
  })

  test.each([
    ['configure/git_credential', { username: 'u' }, '"username" and "password"'],
    ['configure/git_credential', { password: 'canary-p' }, '"username" and "password"'],
    ['configure/ssh_key', { private_key: 'canary-k' }, 'not a private key'],
    ['configure/webhook', { secret: 'canary' }, 'shorter than 16'],
  ])('%s: %j is refused, without its values', async (path, body, text) => {
    const answer = await write(`flant_gitops/${path}`, body)
    expect(answer).toMatchObject({ http: 400, body: { errors: [expect.stringContaining(text)] } })
    expect(answer.text).not.toContain('canary')
  })

  test('configure_vault_access has no other operation than its write', async () => {
    for (const method of ['GET', 'LIST', 'DELETE', 'PATCH'])
      expect(await ask(method, 'flant_gitops/configure_vault_access')).toMatchObject({
        http: 405,
        body: { errors: ['unsupported operation'] },
      })
  })
})

describe('help', () => {
  test.each([
    'configure',
    'configure/',
    'configure/vault_request/VAULT_REQUEST_NAME',
    'configure_vault_access',
    'task',
  ])('of %s', async path => {
    for (const mount of ['flant_gitops', 'flant-gitops']) {
      const { http, body } = await ask('GET', `${mount}/${path}?help=1`)
      expect(http).toBe(200)
      expect(body).toMatchObject({ help: expect.stringContaining('DESCRIPTION'), see_also: null })
      expect(body.openapi).toBeTypeOf('object')
    }
  })

  test('of the mount, of nothing, and only with a token', async () => {
    expect((await ask('GET', 'flant_gitops?help=1')).body.help).toContain('configure/vault_request')
    expect(await ask('GET', 'none/x?help=1')).toMatchObject({ http: 404 })
    expect(await ask('GET', 'flant_gitops/configure?help=1', undefined, null)).toMatchObject({ http: 400 })
  })
})

describe('what is not there', () => {
  test.each([
    ['GET', 'none/configure', 404, "no handler for route: 'none/configure'"],
    ['GET', 'flant_gitops/nothing', 404, 'unsupported path'],
    ['PATCH', 'flant_gitops/configure', 405, 'unsupported operation'],
    ['LIST', 'flant_gitops/configure', 405, 'unsupported operation'],
  ])('%s %s', async (method, path, http, text) => {
    expect(await ask(method, path, method === 'PATCH' ? {} : undefined)).toMatchObject({
      http,
      body: { errors: [text] },
    })
  })

  test('bodies that are no object', async () => {
    const send = (payload: string) => t.ask('/v1/flant_gitops/configure', t.stack.root, { method: 'PUT', payload })
    for (const body of ['{', '[1]', '"x"', '1'])
      expect(await send(body)).toMatchObject({ http: 400, body: { errors: ['error parsing JSON'] } })
    for (const body of ['', 'null', '{}'])
      expect(await send(body)).toMatchObject({ http: 400, body: { code: 'watch_field_invalid' } })
  })

  test('our own interface is no mount', async () => {
    expect(await ask('GET', 'api/nothing')).toMatchObject({ http: 404, body: { code: 'route_not_found' } })
    expect((await t.ask('/v1/api/health/')).http).toBe(301)
    for (const name of ['api', 'sys', 'AUTH', 'a/b', '-x', 'x'.repeat(101)])
      expect(await write(`sys/mounts/${name}`, { type: 'flant_gitops' })).toMatchObject({
        http: 400,
        body: { code: 'watch_name_invalid' },
      })
  })
})

describe('mounts', () => {
  test('are made, listed, and removed; each is a watch of its own', async () => {
    expect(await write('sys/mounts/second', { type: 'flant_gitops', description: 'of team 2' })).toMatchObject({
      http: 204,
    })
    await write('second/configure', { ...GOOD, git_branch_name: 'two' })
    expect(await read('second/configure')).toMatchObject({ git_branch_name: 'two' })
    expect((await ask('GET', 'sys/mounts')).body).toMatchObject({
      'second/': { type: 'flant_gitops', description: 'of team 2', accessor: expect.any(String) },
      data: { 'second/': {}, 'flant_gitops/': {} },
    })
    expect(await write('sys/mounts/second', { type: 'flant_gitops' })).toMatchObject({
      http: 400,
      body: { errors: ['path is already in use: second/'] },
    })
    expect(await ask('DELETE', 'sys/mounts/second')).toMatchObject({ http: 204 })
    expect(await ask('GET', 'second/configure')).toMatchObject({ http: 404 })
  })

  test('of another type belong to Vault', async () => {
    expect(await write('sys/mounts/x', { type: 'kv' })).toMatchObject({
      http: 400,
      body: { code: 'watch_type_unknown' },
    })
    expect(await write('sys/mounts/x', {})).toMatchObject({ http: 400 })
  })

  test.each([
    ['configure/git_credential', { username: 'u', password: 'p' }],
    ['configure/webhook', { secret: 'x'.repeat(16) }],
    ['configure/options', { mode: 'every' }],
    ['configure/vault_request/x', { path: '/v1/kv/x' }],
    ['task/configure', { task_timeout: '5m' }],
  ])('one with %s is not taken over under its other spelling', async (path, body) => {
    await write('sys/mounts/mine_b', { type: 'flant_gitops' })
    await write(`mine_b/${path}`, body)
    expect(await write('sys/mounts/mine-b', { type: 'flant_gitops' })).toMatchObject({
      http: 400,
      body: { code: 'watch_exists' },
    })
    await ask('DELETE', 'sys/mounts/mine_b')
  })

  test('one that was never used may be enabled under its other spelling', async () => {
    await write('sys/mounts/a_b', { type: 'flant_gitops' })
    // its queue would be that of a_b, since the names of queues have no case
    for (const name of ['A_b', 'A-B']) {
      expect(await write(`sys/mounts/${name}`, { type: 'flant_gitops' })).toMatchObject({
        http: 400,
        body: { code: 'watch_exists', errors: [expect.stringContaining('only in case')] },
      })
      expect((await ask('GET', 'sys/mounts')).body.data).not.toHaveProperty(`${name}/`)
    }
    expect(await write('sys/mounts/a-b/', { type: 'plugin', plugin_name: 'flant_gitops' })).toMatchObject({ http: 204 })
    expect((await ask('GET', 'sys/mounts')).body.data).toHaveProperty('a-b/')
    expect(await write('sys/plugins/catalog/secret/flant_gitops', { sha256: 'x' })).toMatchObject({ http: 204 })
  })
})

test('LIST comes through a socket, also between other requests on the same connection', async () => {
  const pool = new Pool(await t.app.listen({ port: 0 }), { connections: 1 })
  const headers = { 'x-vault-token': t.stack.root.reveal() }
  const path = '/v1/flant_gitops/configure/trusted_pgp_public_key/'
  const seen: number[] = []
  for (const method of ['LIST', 'PUT', 'LIST', 'GET', 'LINK']) {
    const body = method === 'PUT' ? JSON.stringify({ name: 'LIST /', public_key: 'LIST /' }) : null
    const answer = await pool.request({ method: method as 'GET', path, headers, body })
    seen.push(answer.statusCode)
    await answer.body.dump()
  }
  await pool.destroy()
  expect(seen).toEqual([404, 400, 404, 405, 400])
})

describe('who may', () => {
  const policy = async (name: string, ...powers: string[]) => {
    const capabilities = powers.map(power => `"${power}"`).join(', ')
    await t.stack.write(`sys/policies/acl/${name}`, {
      policy: `path "writ/watches/flant_gitops" { capabilities = [${capabilities}] }`,
    })
    return await t.stack.token({ policies: [name] })
  }

  test.each([
    ['read', 'GET', 'flant_gitops/configure'],
    ['list', 'LIST', 'flant_gitops/task'],
    ['update', 'PUT', 'flant_gitops/configure/options'],
    ['delete', 'DELETE', 'flant_gitops/configure/git_credential'],
  ])('%s lets %s through, and nothing else does', async (power, method, path) => {
    const body = method === 'PUT' ? {} : undefined
    const others = ['read', 'list', 'update', 'delete', 'create'].filter(other => other !== power)
    expect(await ask(method, path, body, await policy('others', ...others))).toMatchObject({
      http: 403,
      body: { errors: ['permission denied'] },
    })
    expect((await ask(method, path, body, await policy('one', power))).http).not.toBe(403)
  })

  test('nobody without a token that Vault knows', async () => {
    expect(await ask('GET', 'flant_gitops/configure', undefined, null)).toMatchObject({
      http: 400,
      body: { errors: ['missing client token'] },
    })
    const stranger = await t.stack.token({ policies: ['default'] })
    for (const [method, path] of [
      ['GET', 'flant_gitops/configure'],
      ['PUT', 'sys/mounts/z'],
      ['DELETE', 'sys/mounts/flant_gitops'],
    ])
      expect(
        await ask(method as string, path as string, method === 'PUT' ? { type: 'flant_gitops' } : undefined, stranger),
      ).toMatchObject({ http: 403 })
    expect((await ask('GET', 'sys/mounts', undefined, stranger)).body.data).toEqual({})
  })

  test('what was changed, and by whom, is on the audit trail', async () => {
    await write('flant_gitops/configure', GOOD)
    expect(await lastEntry(t.engine.db)).toMatchObject({
      action: 'watch.configured',
      actor: 'root',
      detail: { watch: 'flant_gitops', path: 'configure', docker_image: IMAGE },
    })
  })
})
