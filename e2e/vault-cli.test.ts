import { accessSync, constants, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type DevVault, startDevVault } from '../src/dev-vault/index.ts'
import { type Result, Terminal } from './command.ts'

/** A client that others wrote, against the embedded Vault: it reads what it wants to read and not what we think it does. */
const BINARY = findBinary()
const WHY_NOT = 'no vault or bao in PATH, and WRIT_TEST_VAULT_CLI names none'

function findBinary(): string | undefined {
  const { WRIT_TEST_VAULT_CLI: named, PATH = '' } = process.env
  // One that is named and not there is a failure, not a reason to skip.
  if (named) return resolve(named)
  return PATH.split(delimiter)
    .flatMap(folder => ['vault', 'bao'].map(name => join(folder, name)))
    .find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

let vault: DevVault
let terminal: Terminal
let jsonTerminal: Terminal
beforeAll(async () => {
  if (!BINARY) console.warn(`e2e/vault-cli.test.ts is skipped: ${WHY_NOT}`)
  vault = await startDevVault()
  ;[terminal, jsonTerminal] = [await open(vault.rootToken), await open(vault.rootToken, { format: 'json' })]
})
afterAll(() => vault.close())
beforeEach(({ skip }) => skip(!BINARY, WHY_NOT))

/** Each has its own home and so its own token helper; without a token it uses what `login` stored there. */
async function open(token?: string, more: Record<string, string> = {}): Promise<Terminal> {
  const settings = { addr: vault.address, ...(token && { token }), ...more }
  const env = Object.entries(settings).flatMap(([name, value]) =>
    ['VAULT', 'BAO'].map(prefix => [`${prefix}_${name.toUpperCase()}`, value]),
  )
  return await Terminal.open(Object.fromEntries(env) as Record<string, string>)
}

const run = (args: string[], where = terminal): Promise<Result> => where.run(BINARY ?? '', args)

/** What it prints when all is well. */
async function cli(...args: string[]): Promise<string> {
  return await good(args, terminal)
}

async function good(args: string[], where: Terminal): Promise<string> {
  const { code, stdout, stderr } = await run(args, where)
  expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0)
  return stdout
}

// biome-ignore lint/suspicious/noExplicitAny: the answers are compared piece by piece
async function json(...args: string[]): Promise<any> {
  return JSON.parse(await good(args, jsonTerminal))
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await run(args)
  expect(code, args.join(' ')).toBe(2)
  return stderr
}

describe('status', () => {
  test('of a server that is open, that is sealed, and that is open again', async () => {
    expect(await json('status')).toMatchObject({ initialized: true, sealed: false, t: 1, n: 1 })
    await cli('operator', 'seal')
    const { code, stdout } = await run(['status'])
    expect(code).toBe(2)
    expect(stdout).toMatch(/Sealed +true/)
    expect(await cli('operator', 'unseal', vault.unsealKey)).toMatch(/Sealed +false/)
  })

  test('of audit devices: none', async () => {
    expect((await run(['audit', 'list'])).stdout + (await run(['audit', 'list'])).stderr).toContain('No audit devices')
  })
})

describe('login', () => {
  beforeAll(async () => {
    for (const [path, data] of [
      ['sys/auth/userpass', { type: 'userpass' }],
      ['auth/userpass/users/ann', { password: 'pw', token_policies: ['p'] }],
      ['sys/auth/approle', { type: 'approle' }],
      ['auth/approle/role/app', { role_id: 'app', token_policies: ['p'] }],
      ['auth/approle/role/app/custom-secret-id', { secret_id: 'custom-secret' }],
    ] as const)
      await vault.write(path, data)
  })

  test('with a token, which is stored and used from then on', async () => {
    const home = await open()
    expect((await run(['token', 'lookup'], home)).code).toBe(2)
    await good(['login', vault.rootToken], home)
    expect(await good(['token', 'lookup'], home)).toMatch(/display_name +root/)
    expect((await run(['login', 'wrong'], home)).stderr).toContain('permission denied')
  })

  test('with userpass', async () => {
    const home = await open()
    expect(await good(['login', '-method=userpass', 'username=ann', 'password=pw'], home)).toMatch(
      /token_meta_username +ann/,
    )
    expect(await good(['token', 'lookup'], home)).toMatch(/path +auth\/userpass\/login\/ann/)
    const wrong = await run(['login', '-method=userpass', 'username=ann', 'password=no'], home)
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('invalid username or password')])
  })

  test('with an AppRole', async () => {
    const { auth } = await json('write', 'auth/approle/login', 'role_id=app', 'secret_id=custom-secret')
    expect(auth).toMatchObject({ policies: ['default', 'p'], metadata: { role_name: 'app' } })
    expect(await cli('read', '-field=role_id', 'auth/approle/role/app/role-id')).toBe('app')
    expect(await refused('write', 'auth/approle/login', 'role_id=app', 'secret_id=x')).toContain('invalid secret id')
  })
})

describe('kv', () => {
  test('version 1', async () => {
    await cli('secrets', 'enable', '-path=kv1', '-version=1', 'kv')
    await cli('kv', 'put', 'kv1/a/b', 'x=1', 'y=2')
    expect(await cli('kv', 'get', '-field=x', 'kv1/a/b')).toBe('1')
    expect((await json('kv', 'get', 'kv1/a/b')).data).toEqual({ x: '1', y: '2' })
    expect(await json('kv', 'list', 'kv1')).toEqual(['a/'])
    await cli('kv', 'delete', 'kv1/a/b')
    expect(await refused('kv', 'get', 'kv1/a/b')).toContain('No value found')
  })

  test('version 2: versions, check-and-set, patch and rollback', async () => {
    expect((await json('kv', 'put', 'secret/a/b', 'x=1')).data.version).toBe(1)
    expect((await json('kv', 'put', '-cas=1', 'secret/a/b', 'x=2')).data.version).toBe(2)
    expect(await refused('kv', 'put', '-cas=1', 'secret/a/b', 'x=3')).toContain('did not match the current version')
    await cli('kv', 'patch', 'secret/a/b', 'z=3')
    expect((await json('kv', 'get', 'secret/a/b')).data.data).toEqual({ x: '2', z: '3' })
    expect((await json('kv', 'get', '-version=1', 'secret/a/b')).data.data).toEqual({ x: '1' })
    expect((await json('kv', 'rollback', '-version=1', 'secret/a/b')).data.version).toBe(4)
    expect(await cli('kv', 'get', '-field=x', 'secret/a/b')).toBe('1')
    expect(await json('kv', 'list', 'secret/a')).toEqual(['b'])
  })

  test('version 2: delete, undelete, destroy, metadata', async () => {
    await cli('kv', 'put', 'secret/c', 'x=1')
    await cli('kv', 'delete', 'secret/c')
    const deleted = await run(['kv', 'get', 'secret/c'])
    expect(deleted.code).toBe(0)
    expect(deleted.stdout).not.toContain('=== Data ===')
    await cli('kv', 'undelete', '-versions=1', 'secret/c')
    expect(await cli('kv', 'get', '-field=x', 'secret/c')).toBe('1')
    await cli('kv', 'destroy', '-versions=1', 'secret/c')
    await cli('kv', 'metadata', 'put', '-max-versions=3', 'secret/c')
    const { data } = await json('kv', 'metadata', 'get', 'secret/c')
    expect(data).toMatchObject({ max_versions: 3, current_version: 1, versions: { 1: { destroyed: true } } })
    await cli('kv', 'metadata', 'delete', 'secret/c')
    expect(await refused('kv', 'metadata', 'get', 'secret/c')).toContain('No value found')
  })

  test('from version 1 to version 2 with its data', async () => {
    await cli('secrets', 'enable', '-path=old', 'kv')
    await cli('kv', 'put', 'old/a', 'x=1')
    await cli('kv', 'enable-versioning', 'old')
    expect((await json('kv', 'get', 'old/a')).data).toMatchObject({ data: { x: '1' }, metadata: { version: 1 } })
  })
})

test('read, write, list, delete; from standard input and by force', async () => {
  await cli('write', 'cubbyhole/a', 'x=1', 'y=two words')
  expect((await json('read', 'cubbyhole/a')).data).toEqual({ x: '1', y: 'two words' })
  expect(await cli('read', '-field=y', 'cubbyhole/a')).toBe('two words')
  expect(await json('list', 'cubbyhole')).toEqual(['a'])
  const { stdout } = await terminal.shell(
    `echo '{"n": 12345678901234567890}' | ${BINARY} write cubbyhole/n - && ${BINARY} read -format=json cubbyhole/n`,
  )
  expect(stdout).toContain('12345678901234567890')
  await cli('delete', 'cubbyhole/a')
  expect(await refused('read', 'cubbyhole/a')).toContain('No value found')
  expect(await refused('write', 'nothing/here', 'a=b')).toContain('no handler for route')
})

test('policy write, read, list, fmt, delete', async () => {
  const rules = 'path "secret/data/a" {\ncapabilities=["read"]}\n'
  const { stdout } = await terminal.shell(`cat > p.hcl <<'E'\n${rules}E\n${BINARY} policy fmt p.hcl >&2; cat p.hcl`)
  expect(stdout).toBe('path "secret/data/a" {\n  capabilities = ["read"]\n}\n')
  await terminal.shell(`${BINARY} policy write reader p.hcl`)
  expect((await cli('policy', 'read', 'reader')).trim()).toBe(stdout.trim())
  expect((await cli('policy', 'list')).split('\n')).toEqual(expect.arrayContaining(['default', 'reader', 'root']))
  await cli('policy', 'delete', 'reader')
  expect(await refused('policy', 'read', 'reader')).toContain('No policy named: reader')
  const file = join((await terminal.shell('pwd')).stdout.trim(), 'bad.hcl')
  await writeFile(file, 'path "x" { capabilities = ["fly"] }')
  expect(await refused('policy', 'write', 'bad', file)).toContain('invalid capability')
})

describe('mounts', () => {
  test('auth enable, list, tune, disable', async () => {
    await cli('auth', 'enable', '-path=people', '-description=of ours', 'userpass')
    await cli('auth', 'tune', '-max-lease-ttl=48h', '-listing-visibility=unauth', 'people/')
    expect((await json('auth', 'list', '-detailed'))['people/']).toMatchObject({
      type: 'userpass',
      description: 'of ours',
      config: { max_lease_ttl: 172_800, listing_visibility: 'unauth' },
    })
    await cli('auth', 'disable', 'people')
    expect(Object.keys(await json('auth', 'list'))).not.toContain('people/')
  })

  test('secrets enable, list, tune, move, disable', async () => {
    await cli('secrets', 'enable', '-path=m1', '-description=one', '-default-lease-ttl=1h', 'kv-v2')
    await cli('secrets', 'tune', '-default-lease-ttl=2h', 'm1')
    const before = (await json('secrets', 'list', '-detailed'))['m1/']
    expect(before).toMatchObject({ options: { version: '2' }, config: { default_lease_ttl: 7200 } })
    await cli('kv', 'put', 'm1/a', 'x=1')
    // Commands after 1.9 wait for a migration to end, and complain that version 1.8 knows no such thing: it has moved at once.
    const { code, stderr } = await run(['secrets', 'move', 'm1/', 'm2/'])
    expect([0, 2]).toContain(code)
    expect(stderr === '' || stderr.includes('server response is empty')).toBe(true)
    expect((await json('secrets', 'list'))['m2/'].uuid).toBe(before.uuid)
    expect(await cli('kv', 'get', '-field=x', 'm2/a')).toBe('1')
    await cli('secrets', 'disable', 'm2')
    expect(Object.keys(await json('secrets', 'list'))).not.toContain('m2/')
    expect(await refused('secrets', 'enable', 'nonsense')).toContain('plugin not found')
  })
})

describe('token', () => {
  test('create, lookup, capabilities, renew, revoke', async () => {
    await vault.write('sys/policies/acl/some', { policy: 'path "secret/data/a" { capabilities = ["read", "list"] }' })
    const { auth } = await json('token', 'create', '-policy=some', '-ttl=1h', '-display-name=x y', '-metadata=team=a')
    expect(auth).toMatchObject({ policies: ['default', 'some'], metadata: { team: 'a' }, lease_duration: 3600 })
    const { client_token: id, accessor } = auth
    expect((await json('token', 'lookup', id)).data).toMatchObject({ accessor, display_name: 'token-x-y' })
    expect((await json('token', 'lookup', '-accessor', accessor)).data).toMatchObject({ id: '', accessor })
    expect((await cli('token', 'capabilities', id, 'secret/data/a')).trim()).toBe('list, read')
    expect((await cli('token', 'capabilities', id, 'other')).trim()).toBe('deny')
    expect((await cli('token', 'capabilities', 'other')).trim()).toBe('root')
    expect((await json('token', 'renew', '-increment=2h', id)).auth.lease_duration).toBe(7200)
    await cli('token', 'renew', '-accessor', accessor)
    await cli('token', 'revoke', id)
    expect(await refused('token', 'lookup', id)).toContain('bad token')
  })

  test('of other kinds: orphan, batch, periodic, used once', async () => {
    const make = async (...args: string[]) => (await json('token', 'create', '-policy=default', ...args)).auth
    expect(await make('-orphan')).toMatchObject({ orphan: true })
    expect(await make('-type=batch')).toMatchObject({ accessor: '' })
    const periodic = await make('-period=1h')
    expect((await json('token', 'lookup', periodic.client_token)).data.period).toBe(3600)
    const once = await open((await make('-use-limit=1')).client_token)
    expect((await run(['token', 'lookup'], once)).code).toBe(0)
    expect((await run(['token', 'lookup'], once)).code).toBe(2)
  })

  test('roles', async () => {
    await cli('write', 'auth/token/roles/ci', 'allowed_policies=ci', 'orphan=true', 'token_period=1h')
    expect((await json('token', 'create', '-role=ci')).auth.policies).toEqual(['ci', 'default'])
    expect(await refused('token', 'create', '-role=ci', '-policy=other')).toContain('other')
  })
})

describe('wrapping', () => {
  test('-wrap-ttl of any answer, unwrapped once', async () => {
    await cli('kv', 'put', 'secret/w', 'x=1')
    const { wrap_info: wrap } = await json('read', '-wrap-ttl=60', 'secret/data/w')
    expect(wrap).toMatchObject({ ttl: 60, creation_path: 'secret/data/w' })
    expect((await json('write', 'sys/wrapping/lookup', `token=${wrap.token}`)).data.creation_ttl).toBe(60)
    expect((await json('unwrap', wrap.token)).data.data).toEqual({ x: '1' })
    expect(await refused('unwrap', wrap.token)).toContain('wrapping token is not valid or does not exist')
  })

  test('of a token, opened by the wrapping token itself', async () => {
    const token = (await cli('token', 'create', '-wrap-ttl=60', '-policy=default', '-field=wrapping_token')).trim()
    const opened = JSON.parse(await good(['unwrap', '-format=json'], await open(token)))
    expect(opened.auth.policies).toEqual(['default'])
  })

  test('of a secret id; by force, without data', async () => {
    await vault.write('sys/auth/wrapped-approle', { type: 'approle' })
    await cli('write', '-force', 'auth/wrapped-approle/role/app')
    const { wrap_info } = await json('write', '-f', '-wrap-ttl=60', 'auth/wrapped-approle/role/app/secret-id')
    expect(wrap_info.creation_path).toBe('auth/wrapped-approle/role/app/secret-id')
    expect((await cli('unwrap', '-field=secret_id', wrap_info.token)).trim()).toMatch(/^[0-9a-f-]{36}$/)
  })
})

test('path-help', async () => {
  expect(await cli('path-help', 'secret')).toContain('## PATHS')
  expect(await cli('path-help', 'sys/mounts')).toContain('sys/mounts')
  expect(await refused('path-help', 'nothing/here')).toContain('no handler for route')
})

test('leases: of a login, looked up and revoked', async () => {
  await vault.write('sys/auth/leased', { type: 'userpass' })
  await vault.write('auth/leased/users/bob', { password: 'pw' })
  const token = await cli(
    'login',
    '-no-store',
    '-token-only',
    '-method=userpass',
    '-path=leased',
    'username=bob',
    'password=pw',
  )
  const [key] = await json('list', 'sys/leases/lookup/auth/leased/login/bob')
  const id = `auth/leased/login/bob/${key}`
  expect((await json('lease', 'lookup', id)).data).toMatchObject({ id, renewable: true })
  expect(await refused('lease', 'renew', 'nothing/here')).toContain('lease not found')
  await cli('lease', 'revoke', id)
  expect(await refused('token', 'lookup', token.trim())).toContain('bad token')
  await cli('lease', 'revoke', '-prefix', 'auth/leased/')
})

test('transit: encrypt, rotate, rewrap, decrypt; sign and verify', async () => {
  await cli('secrets', 'enable', 'transit')
  await cli('write', '-f', 'transit/keys/k')
  const text = Buffer.from('a text').toString('base64')
  const first = await cli('write', '-field=ciphertext', 'transit/encrypt/k', `plaintext=${text}`)
  await cli('write', '-f', 'transit/keys/k/rotate')
  const second = await cli('write', '-field=ciphertext', 'transit/rewrap/k', `ciphertext=${first}`)
  expect([first.slice(0, 9), second.slice(0, 9)]).toEqual(['vault:v1:', 'vault:v2:'])
  for (const ciphertext of [first, second])
    expect(await cli('write', '-field=plaintext', 'transit/decrypt/k', `ciphertext=${ciphertext}`)).toBe(text)
  await cli('write', 'transit/keys/s', 'type=ed25519')
  const signature = await cli('write', '-field=signature', 'transit/sign/s', `input=${text}`)
  expect((await json('write', 'transit/verify/s', `input=${text}`, `signature=${signature}`)).data.valid).toBe(true)
  expect(await json('list', 'transit/keys')).toEqual(['k', 's'])
})

test('-format=json, yaml and table are of the same answer', async () => {
  await cli('kv', 'put', 'secret/f', 'x=1')
  expect(JSON.parse(await cli('kv', 'get', '-format=json', 'secret/f')).data.data).toEqual({ x: '1' })
  expect(await cli('kv', 'get', '-format=yaml', 'secret/f')).toMatch(/^ {2}data:\n {4}x: "1"$/m)
  expect(await cli('kv', 'get', '-format=table', 'secret/f')).toMatch(/^x +1$/m)
})

test('what vault-setup prints runs in sh as it is, and once more', async () => {
  const vault = join(terminal.folder, 'vault')
  await writeFile(vault, `#!/bin/sh\nexec '${BINARY}' "$@"\n`, { mode: 0o755 })
  const secrets = `--job-secret 'secret/data/{{identity.entity.name}}/*' --job-secret "kv/it's \\$HOME"`
  for (const options of [secrets, '--gate team/kv/data/gatekeeper']) {
    for (const round of ['first', 'second']) {
      const { code, stderr } = await terminal.shell(`writ vault-setup ${options} | sh -eu > out`)
      expect({ round, code, stderr }).toEqual({ round, code: 0, stderr: '' })
    }
  }
  expect(await cli('policy', 'read', 'writ-job')).toContain(`path "kv/it's $HOME"`)
  expect(await json('read', 'auth/approle/role/writ-job')).toMatchObject({ data: { token_policies: ['writ-job'] } })
  expect(await cli('policy', 'read', 'writ-gate')).toContain('path "team/kv/metadata/gatekeeper/*"')
})
