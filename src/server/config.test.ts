import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../vault/secret.ts'
import { ConfigError, readConfig, SETTINGS } from './config.ts'

const CANARY = 'canary-1f0e3dad'
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'writ-config-'))
  const files = { secret: `${CANARY}\n`, token: `${CANARY}\n`, 'cert.pem': 'CERT', 'key.pem': 'KEY', 'ca.pem': 'CA' }
  for (const [name, text] of Object.entries({ ...files, empty: '', blank: ' \n' })) writeFileSync(file(name), text)
})
afterAll(() => rmSync(folder, { recursive: true }))

const file = (name: string) => join(folder, name)

const base = (): NodeJS.ProcessEnv => ({
  DATABASE_URL: 'postgres://localhost/writ',
  VAULT_ADDR: 'https://vault:8200',
  WRIT_JOB_ROLE_ID: 'job-role-id',
  WRIT_ROLE_ID: 'server-role-id',
  WRIT_SECRET_ID_FILE: file('secret'),
})

function problems(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    expect(inspect(error)).not.toContain(CANARY)
    return (error as ConfigError).problems
  }
  return []
}

test('the least that it needs, and the defaults', () => {
  const config = readConfig(base())
  expect(config).toMatchObject({
    listenHost: '127.0.0.1',
    listenPort: 3232,
    tlsCert: null,
    plainHttp: false,
    vaultCa: null,
    jobRole: 'writ-job',
    serverKey: 'writ-server',
    leaseMs: 10_000,
    killGraceSeconds: 15,
    retentionSeconds: 6 * 3600,
    rateLimit: 0,
    jobNetwork: 'bridge',
    logLevel: 'info',
    credentials: { kind: 'approle', roleId: 'server-role-id' },
  })
  expect(config.credentials?.kind === 'approle' && config.credentials.secretId.reveal()).toBe(CANARY)
  expect(inspect(config, { depth: null }) + JSON.stringify(config)).not.toContain(CANARY)
})

test('nothing at all: everything that is missing, at once', () => {
  const found = problems({})
  for (const name of ['DATABASE_URL', 'VAULT_ADDR', 'WRIT_JOB_ROLE_ID or GOSTINT_ROLEID', 'WRIT_ROLE_ID']) {
    expect(found.filter(problem => problem.startsWith(name))).toHaveLength(1)
  }
  expect(found).toHaveLength(4)
})

test('everything wrong: a line each, by the name that was used, and never the value', () => {
  const wrong = {
    GOSTINT_PORT: CANARY,
    WRIT_PLAIN_HTTP: CANARY,
    WRIT_BODY_LIMIT: '1',
    DATABASE_URL: `mysql://${CANARY}`,
    VAULT_ADDR: `vault ${CANARY}`,
    WRIT_JOB_ROLE: `../${CANARY}`,
    WRIT_SERVER_KEY: '..',
    VAULT_CACERT: file('none'),
    WRIT_CONCURRENCY: '0',
    WRIT_LEASE_MS: '499',
    WRIT_KILL_GRACE: '-1',
    WRIT_JOB_MEMORY: '1e9',
    WRIT_JOB_PIDS: '7',
    WRIT_JOB_NETWORK: '  ',
    WRIT_LOG_LEVEL: 'loud',
    WRIT_SECRET_ID_FILE: file('none'),
  }
  const found = problems({ ...base(), ...wrong })
  for (const name of Object.keys(wrong)) {
    expect(found.filter(problem => problem.startsWith(`${name} `))).toHaveLength(1)
  }
})

test.each([
  ['WRIT_PORT', 'GOSTINT_PORT', '3300', 'listenPort', 3300],
  ['WRIT_JOB_ROLE', 'GOSTINT_ROLENAME', 'gostint-role', 'jobRole', 'gostint-role'],
  ['WRIT_JOB_ROLE_ID', 'GOSTINT_ROLEID', 'id', 'jobRoleId', 'id'],
  ['WRIT_TLS_CERT', 'GOSTINT_SSL_CERT', () => file('cert.pem'), 'tlsCert', 'CERT'],
  ['WRIT_TLS_KEY', 'GOSTINT_SSL_KEY', () => file('key.pem'), 'tlsKey', 'KEY'],
] as const)('%s has the alias %s of GoStint; its own name wins', (name, alias, of, key, value) => {
  const text = typeof of === 'string' ? of : of()
  const other = name === 'WRIT_TLS_CERT' ? 'WRIT_TLS_KEY' : 'WRIT_TLS_CERT'
  const pair = name.includes('TLS') ? { [other]: file(other === 'WRIT_TLS_KEY' ? 'key.pem' : 'cert.pem') } : {}
  const { [name]: _own, ...env }: NodeJS.ProcessEnv = { ...base(), ...pair }
  expect(readConfig({ ...env, [alias]: text })[key]).toBe(value)
  expect(readConfig({ ...env, [alias]: 'wrong value', [name]: text })[key]).toBe(value)
  // a name that is set to nothing is not set
  expect(readConfig({ ...env, [alias]: text, [name]: '' })[key]).toBe(value)
})

test('GOSTINT_DEBUG with anything in it logs more; WRIT_LOG_LEVEL wins', () => {
  const level = (env: NodeJS.ProcessEnv) => readConfig({ ...base(), ...env }).logLevel
  expect(['', '1', '0', 'no'].map(GOSTINT_DEBUG => level({ GOSTINT_DEBUG }))).toEqual([
    ...['info', 'debug', 'debug', 'debug'],
  ])
  expect(level({ GOSTINT_DEBUG: '1', WRIT_LOG_LEVEL: 'warn' })).toBe('warn')
})

test("GoStint's own credentials: the SecretID is taken out of the environment, also when something else is wrong", () => {
  const { WRIT_ROLE_ID: _role, WRIT_SECRET_ID_FILE: _file, ...env } = base()
  const good: NodeJS.ProcessEnv = { ...env, GOSTINT_RUN_ROLEID: 'r', GOSTINT_RUN_SECRETID: CANARY }
  const { credentials } = readConfig(good)
  expect(credentials?.kind === 'approle' && credentials.secretId).toBeInstanceOf(Secret)
  expect(JSON.stringify(good)).not.toContain(CANARY)
  const bad: NodeJS.ProcessEnv = { GOSTINT_RUN_SECRETID: CANARY }
  expect(problems(bad).length).toBeGreaterThan(0)
  expect(JSON.stringify(bad)).not.toContain(CANARY)
})

test('no credentials are needed where the gate listens: it can be unsealed there; half of them is a mistake', () => {
  const { WRIT_ROLE_ID: role, WRIT_SECRET_ID_FILE: _file, ...env } = base()
  for (const name of ['WRIT_GATE_LISTEN', 'WRIT_GATE_SOCKET']) {
    expect(readConfig({ ...env, [name]: '/run/gate.sock' }).credentials).toBeNull()
    expect(problems({ ...env, [name]: '/run/gate.sock', WRIT_ROLE_ID: role })).toHaveLength(1)
  }
})

test('the address of the database, which may hold a password, is taken out of the environment', () => {
  const env: NodeJS.ProcessEnv = { ...base(), DATABASE_URL: `postgres://writ:${CANARY}@db.example.com/writ` }
  expect(readConfig(env).databaseUrl).toContain(CANARY)
  expect(JSON.stringify(env)).not.toContain(CANARY)
})

test('the user of the database from Vault: a path, an address without a user, and a login of its own', () => {
  const creds = { WRIT_DATABASE_CREDS: 'database/creds/writ' }
  for (const url of [
    'postgres://db.example.com/writ',
    'postgresql://db.example.com:5432/writ?sslmode=verify-full',
    'postgres:///writ?host=/run/postgresql',
    'postgres://',
    'postgres:///a@b',
  ]) {
    const env = { ...base(), ...creds, DATABASE_URL: url }
    expect(readConfig(env)).toMatchObject({ databaseUrl: url, databaseCreds: 'database/creds/writ' })
  }
  for (const url of [
    `postgres://writ:${CANARY}@db.example.com/writ`,
    'postgres://writ@db.example.com/writ',
    'postgres://writ@/writ?host=/run/postgresql',
    'postgres:///writ?host=/run/postgresql&user=writ',
    `postgres://db.example.com/writ?password=${CANARY}`,
    `postgres://db.example.com/writ?%70assword=${CANARY}`,
    `postgres://db.example.com?password=${CANARY}`,
  ]) {
    const found = problems({ ...base(), ...creds, DATABASE_URL: url })
    expect(found, url).toEqual([expect.stringContaining('DATABASE_URL names a user or password')])
    expect(readConfig({ ...base(), DATABASE_URL: url })).toMatchObject({ databaseCreds: '' })
  }
  const { WRIT_ROLE_ID: _role, WRIT_SECRET_ID_FILE: _file, ...env } = base()
  const sealed = problems({ ...env, ...creds, WRIT_GATE_LISTEN: '9201' })
  expect(sealed).toEqual([expect.stringMatching(/^WRIT_DATABASE_CREDS needs .*WRIT_SECRET_ID_FILE/)])
})

test.each(['/database/creds/writ', 'database/creds/', 'database/../sys', 'a//b', 'a"b', 'database/creds/*', ' '])(
  '%j is no path to read the user of the database from',
  path => {
    const found = problems({ ...base(), WRIT_DATABASE_CREDS: path })
    expect(found).toEqual(['WRIT_DATABASE_CREDS is no path in Vault, such as database/creds/writ'])
  },
)

test('a token in a file is another way to log in', () => {
  const { WRIT_ROLE_ID: _role, WRIT_SECRET_ID_FILE: _file, ...env } = base()
  const { credentials } = readConfig({ ...env, WRIT_VAULT_TOKEN_FILE: file('token') })
  expect(credentials?.kind === 'token' && credentials.token.reveal()).toBe(CANARY)
})

test.each(['WRIT_SECRET_ID_FILE', 'WRIT_VAULT_TOKEN_FILE', 'WRIT_TLS_CERT', 'WRIT_TLS_KEY', 'VAULT_CACERT'])(
  'an empty file is no %s: it would be as if it were not set',
  name => {
    for (const empty of ['empty', 'blank']) {
      const tls = { WRIT_TLS_CERT: file('cert.pem'), WRIT_TLS_KEY: file('key.pem') }
      expect(problems({ ...base(), ...tls, [name]: file(empty) })).toContain(`${name} names a file that is empty`)
    }
  },
)

test('certificate and key belong together', () => {
  expect(problems({ ...base(), WRIT_TLS_CERT: file('cert.pem') })).toEqual([
    'WRIT_TLS_CERT and WRIT_TLS_KEY belong together',
  ])
  expect(problems({ ...base(), GOSTINT_SSL_KEY: file('key.pem') })).toHaveLength(1)
  const both = { GOSTINT_SSL_CERT: file('cert.pem'), WRIT_TLS_KEY: file('key.pem') }
  expect(readConfig({ ...base(), ...both })).toMatchObject({ tlsCert: 'CERT', tlsKey: 'KEY' })
})

test('more than loopback needs TLS, or to be told so', () => {
  const tls = { WRIT_TLS_CERT: file('cert.pem'), WRIT_TLS_KEY: file('key.pem') }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'writ.example', '127.0.0.1.example', '127.1']) {
    const env = { ...base(), WRIT_LISTEN_HOST: host }
    expect(problems({ ...env })).toEqual([expect.stringContaining('WRIT_LISTEN_HOST is not loopback')])
    expect(problems({ ...env, ...tls })).toEqual([])
    expect(problems({ ...env, WRIT_PLAIN_HTTP: '1' })).toEqual([])
  }
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) {
    expect(problems({ ...base(), WRIT_LISTEN_HOST: host })).toEqual([])
  }
})

test.each([
  'ftp://vault',
  'vault:8200',
  '//vault',
  'https://user:pw@vault',
  'https://vault/?x=1',
  'https://vault/#x',
  '',
])('%j is no address of a Vault', address => {
  expect(problems({ ...base(), VAULT_ADDR: address })).toEqual([expect.stringMatching(/^VAULT_ADDR /)])
})

test.each(['http://127.0.0.1:8200', 'https://vault.example/', 'https://proxy/vault'])('%s is one', address => {
  expect(readConfig({ ...base(), VAULT_ADDR: address }).vaultAddr).toBe(address)
})

test.each(Object.entries(SETTINGS))('%s says what it is, and under what names', (_key, { names, describe }) => {
  expect(describe).toMatch(/^[A-Z].{5,}/)
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) expect(name).toMatch(/^(WRIT|GOSTINT|VAULT|DOCKER|DATABASE)_[A-Z_]+$/)
})

test('no two settings have the same name', () => {
  const names = Object.values(SETTINGS).flatMap(({ names }) => [...names] as string[])
  expect(new Set(names).size).toBe(names.length)
})

test('queues that are wider than one, and durations', () => {
  const config = readConfig({ ...base(), WRIT_QUEUE_WIDTH: ' Build-*=4, tests=2,', WRIT_JOB_TIMEOUT: '1h30m' })
  expect(config).toMatchObject({
    queueWidths: [
      { pattern: 'build-*', width: 4 },
      { pattern: 'tests', width: 2 },
    ],
    timeout: 5_400,
    retentionSeconds: 21_600,
  })
  for (const WRIT_QUEUE_WIDTH of ['a', 'a=', '=2', 'a=0', 'a=1001', 'a=x', 'a=1=2']) {
    expect(problems({ ...base(), WRIT_QUEUE_WIDTH })).toEqual([expect.stringContaining('WRIT_QUEUE_WIDTH')])
  }
  expect(problems({ ...base(), WRIT_JOB_TIMEOUT: 'soon', WRIT_RETENTION: '5s' })).toHaveLength(2)
})
