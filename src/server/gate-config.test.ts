import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Secret } from '../vault/secret.ts'
import { type GateConfig, readGateConfig } from './gate-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-gate-config-'))
afterAll(() => {
  for (const one of [folder, `${folder}.other`]) rmSync(one, { recursive: true })
})
const file = (name: string, text: string) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const PEM = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'
const pem = file('one.pem', PEM)
mkdirSync(`${folder}.other`)
const notPem = `${folder}.other/none.txt`
writeFileSync(notPem, 'not PEM')
/** A folder of authorities. */
const pems = mkdtempSync(join(folder, 'pems-'))
writeFileSync(join(pems, 'one.pem'), PEM)

type Row = [env: string, flag: string, value: string, see: (config: GateConfig) => unknown, expected: unknown]
const credentials = ({ credentials: found }: GateConfig) => found
const secret = (text: string) => new Secret(text)
/** What a secret is, for comparing. */
const shown = (value: unknown): unknown => {
  if (value instanceof Secret) return `secret ${value.reveal()}`
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shown(part)]))
}

/** gatekeeper.md §4; each with what else must be set for it to count. */
const VERSION_1: Row[] = [
  ['LISTEN_ADDR', 'listen', '10.0.0.1:9', c => c.listen, { host: '10.0.0.1', port: 9 }],
  ['DOCKER_PROVIDER', 'provider', 'ecs', c => c.values.schedulers.join(), 'ecs'],
  ['PROVIDER', 'provider', 'test', c => c.values.schedulers.join(), 'test'],
  ['MESOS_MASTER', 'mesos', 'zk://a:1/b', c => c.values.mesos, 'zk://a:1/b'],
  ['VAULT_ADDR', 'vault', 'https://v:1', c => c.values.vaultAddr, 'https://v:1'],
  ['GATE_POLICIES', 'policies', 'x/y', c => c.gate.policies.path, 'secret/x/y'],
  ['VAULT_SKIP_VERIFY', 'tls-skip-verify', 'true', c => c.values.skipVerify, true],
  ['VAULT_CACERT', 'ca-cert', pem, c => c.vaultCa, PEM],
  ['VAULT_CAPATH', 'ca-path', pems, c => c.vaultCa, PEM],
  ['TASK_LIFE', 'task-life', '1m30s', c => c.gate.taskLifeMs, 90_000],
  ['RECREATE_TOKEN', 'self-recreate-token', 'T', c => c.values.recreate, true],
  ['SEAL_HTTP_STATUS', 'seal-http-status', '429', c => c.values.sealStatus, 429],
  ['GATE_POLICIES_NESTED', 'policies-nested', '1', c => c.gate.policies.nested, true],
  ['DEFAULT_RENEWABLE', 'default-renewable-tokens', 'false', c => c.gate.policies.renewable, false],
  ['SEAL_HTTP_STATUS', 'seal-http-status', '503', c => c.values.sealStatus, 503],
  ['RECREATE_TOKEN', 'self-recreate-token', 'f', c => c.values.recreate, false],
  ['VAULT_TOKEN', 'vault-token', 't', credentials, { kind: 'token', token: secret('t') }],
  ['CUBBY_TOKEN', 'cubby-token', 't', credentials, { kind: 'cubby', cubbyToken: secret('t'), path: '/vault-token' }],
  ['WRAPPED_TOKEN_AUTH', 'wrapped-token-auth', 't', credentials, { kind: 'wrapped-token', wrap: secret('t') }],
  ['AWS_EC2_LOGIN', 'auth-aws-ec2', 'true', credentials, { kind: 'aws-ec2', role: '', nonce: secret('') }],
]

/** gatekeeper.md §12. */
const VERSION_2: Row[] = [
  ['LISTEN_ADDR', 'listen-addr', ':9', c => c.listen, { host: '', port: 9 }],
  ['SCHEDULERS', 'schedulers', 'mesos,ecs', c => c.values.schedulers.join(), 'mesos,ecs'],
  ['MESOS_MASTER', 'mesos-master', 'https://a:1', c => c.values.mesos, 'https://a:1'],
  ['DCOS_UID', 'dcos-uid', 'me', c => c.values.dcosUid, 'me'],
  ['DCOS_PRIVATEKEY', 'dcos-privatekey', '/k', c => c.values.dcosKey, '/k'],
  ['HOST_CHECK', 'host-check', 'true', c => c.gate.hostCheck, true],
  ['USE_IMAGE_NAME', 'use-image-name', 'true', c => c.gate.useImageName, true],
  ['VAULT_ADDR', 'vault-addr', 'https://v:1', c => c.values.vaultAddr, 'https://v:1'],
  ['VAULT_CACERT', 'vault-cacert', pem, c => c.vaultCa, PEM],
  ['VAULT_CAPATH', 'vault-capath', pems, c => c.vaultCa, PEM],
  ['VAULT_SKIP_VERIFY', 'vault-skip-verify', 'true', c => c.values.skipVerify, true],
  ['VAULT_KV_VERSION', 'vault-kv-version', '1', c => c.values.kvVersion, '1'],
  ['VAULT_APPROLE_MOUNT', 'vault-approle-mount', 'roles', c => c.gate.approleMount, 'roles'],
  ['TASK_GRACE', 'task-grace', '5m', c => c.gate.taskLifeMs, 300_000],
  ['POLICY_PATH', 'policy-path', 'kv/data/x', c => c.gate.policies.path, 'kv/data/x'],
  ['USAGE_STORE', 'usage-store', 'memory', c => c.values.usageStore, 'memory'],
  ['VAULT_TOKEN', 'vault-token', 't', credentials, { kind: 'token', token: secret('t') }],
  ['AUTH_TOKEN_WRAPPED', 'auth-token-wrapped', 't', credentials, { kind: 'wrapped-token', wrap: secret('t') }],
  ['AUTH_AWS_EC2', 'auth-aws-ec2', 'true', credentials, { kind: 'aws-ec2', role: '', nonce: secret('') }],
  ['AUTH_AWS_IAM', 'auth-aws-iam', 'r', credentials, { kind: 'aws-ec2', role: 'r', nonce: secret('') }],
  ['LOG_LEVEL', 'log-level', 'debug', c => c.values.logLevel, 'debug'],
]

describe.each([
  ['version 1', VERSION_1],
  ['version 2', VERSION_2],
])('%s', (_, rows) => {
  test.each(rows)('%s, -%s', (env, flag, value, see, expected) => {
    expect(shown(see(readGateConfig({ [env]: value }, new Map())))).toEqual(shown(expected))
    expect(shown(see(readGateConfig({}, new Map([[flag, value]]))))).toEqual(shown(expected))
    // a flag beats the environment, and nothing set is what it was
    const both = readGateConfig({ [env]: value === '/k' ? '/other' : value }, new Map([[flag, value]]))
    expect(shown(see(both))).toEqual(shown(expected))
  })
})

test('several that belong together', () => {
  const of = (env: Record<string, string>) => shown(credentials(readGateConfig(env, new Map())))
  const app = { APP_ID: 'a', USER_ID_METHOD: 'file', USER_ID_PATH: '/p', USER_ID_HASH: 'md5', USER_ID_SALT: 's' }
  expect(of(app)).toEqual({
    kind: 'app-id',
    appId: 'a',
    userId: { method: 'file', interface: '', path: '/p', hash: 'md5', salt: 's' },
  })
  expect(of({ ...app, USER_ID_METHOD: 'mac', USER_ID_INTERFACE: 'eth0' })).toMatchObject({
    userId: { method: 'mac', interface: 'eth0' },
  })
  expect(of({ AUTH_APP_ROLE: 'r', AUTH_APP_SECRET: 's' })).toEqual({
    kind: 'approle',
    roleId: 'r',
    secretId: 'secret s',
    wrapped: false,
  })
  const aws = { kind: 'aws-ec2', role: 'r', nonce: 'secret n' }
  expect(of({ AWS_EC2_LOGIN: '1', AWS_ROLE: 'r', AWS_NONCE: 'n' })).toEqual(aws)
  expect(of({ AUTH_AWS_IAM: 'r', AUTH_AWS_NONCE: 'n' })).toEqual(aws)
  // a role alone does not log in, as in version 1
  expect(of({ AWS_ROLE: 'r' })).toBeNull()
  expect(of({ CUBBY_TOKEN: 't', CUBBY_PATH: '/x' })).toMatchObject({ path: '/x' })
})

test('flags of version 1 that belong together', () => {
  const of = (flags: Record<string, string>) => readGateConfig({}, new Map(Object.entries(flags)))
  const id = { 'auth-appid': 'a', 'auth-userid-method': 'file', 'auth-userid-path': '/p', 'auth-userid-hash': 'sha256' }
  expect(shown(credentials(of({ ...id, 'auth-userid-salt': 's', 'auth-userid-interface': 'eth0' })))).toEqual({
    kind: 'app-id',
    appId: 'a',
    userId: { method: 'file', interface: 'eth0', path: '/p', hash: 'sha256', salt: 's' },
  })
  const aws = { 'auth-aws-ec2': 'true', 'auth-aws-ec2-role': 'r', 'auth-aws-ec2-nonce': 'n' }
  expect(shown(credentials(of(aws)))).toEqual({ kind: 'aws-ec2', role: 'r', nonce: 'secret n' })
  expect(credentials(of({ 'cubby-token': 't', 'cubby-path': '/x' }))).toMatchObject({ kind: 'cubby', path: '/x' })
  const { values } = of({ 'tls-cert': pem, 'tls-key': pem })
  expect([values.tlsCert, values.tlsKey]).toEqual([PEM, PEM])
})

test('what nothing is set to', () => {
  const { values, listen, gate, credentials: none, userId, vaultCa, wire } = readGateConfig({}, new Map())
  expect(listen).toEqual({ host: '127.0.0.1', port: 9201 })
  expect(values).toMatchObject({
    tlsCert: null,
    tlsKey: null,
    schedulers: ['mesos'],
    mesos: 'http://localhost:5050',
    vaultAddr: 'http://localhost:8200',
    skipVerify: false,
    sealStatus: 200,
    recreate: false,
    cubbyPath: '/vault-token',
  })
  expect(gate).toMatchObject({
    policies: { path: 'secret//gatekeeper', nested: false, lastWins: false, renewable: true },
    taskLifeMs: 120_000,
  })
  expect([none, userId, vaultCa, wire]).toEqual([null, null, undefined, 'v1'])
})

test('with TLS, on every address', () => {
  const { listen } = readGateConfig({ TLS_CERT: pem, TLS_KEY: pem }, new Map())
  expect(listen).toEqual({ host: '', port: 9201 })
})

test('an empty text in the environment is as none, and GIN_MODE is nobody’s', () => {
  const env = { LISTEN_ADDR: '', TASK_LIFE: '', SEAL_HTTP_STATUS: '', VAULT_TOKEN: '', GIN_MODE: 'release' }
  expect(shown(readGateConfig(env, new Map()))).toEqual(shown(readGateConfig({}, new Map())))
})

test.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('%s is yes', text => {
  expect(readGateConfig({ VAULT_SKIP_VERIFY: text }, new Map()).values.skipVerify).toBe(true)
})
test.each(['0', 'f', 'F', 'FALSE', 'false', 'False', ''])('%j is no', text => {
  expect(readGateConfig({ VAULT_SKIP_VERIFY: text }, new Map()).values.skipVerify).toBe(false)
})

test('authorities: the folder before the file, folders in it, and links, as Kubernetes mounts them', () => {
  const base = mkdtempSync(join(tmpdir(), 'writ-gate-authorities-'))
  try {
    mkdirSync(join(base, '..data/deep'), { recursive: true })
    writeFileSync(join(base, '..data/a.pem'), PEM)
    writeFileSync(join(base, '..data/deep/b.pem'), PEM.replace('x', 'y'))
    mkdirSync(join(base, 'folder'))
    for (const name of ['a.pem', 'deep/b.pem']) {
      symlinkSync(join('../..data', name), join(base, 'folder', name.replace('/', '-')))
    }
    const of = (path: string) => readGateConfig({ VAULT_CAPATH: path, VAULT_CACERT: pem }, new Map()).vaultCa
    expect(of(join(base, 'folder'))?.split('BEGIN')).toHaveLength(3)
    expect(of(join(base, '..data'))).toContain('y')
    writeFileSync(join(base, 'folder/readme'), 'not PEM')
    expect(() => of(join(base, 'folder'))).toThrow('VAULT_CAPATH')
  } finally {
    rmSync(base, { recursive: true })
  }
})

test('a proxy in the environment is not used, and a warning says so', () => {
  expect(readGateConfig({ HTTPS_PROXY: 'http://user:canary@p:1' }, new Map()).warnings.join()).toMatch(
    /^HTTPS_PROXY: not used/,
  )
  expect(readGateConfig({ HTTPS_PROXY: 'http://user:canary@p:1' }, new Map()).warnings.join()).not.toContain('canary')
  expect(readGateConfig({}, new Map()).warnings).toEqual([])
})

test('the first that is there logs in, in the order of both versions', () => {
  const all = { VAULT_TOKEN: 't', CUBBY_TOKEN: 't', WRAPPED_TOKEN_AUTH: 't', APP_ID: 'a', USER_ID_METHOD: 'mac' }
  const order = Object.entries({ ...all, AWS_EC2_LOGIN: '1' })
  const kinds = [0, 1, 2, 3, 5].map(n => {
    const env = Object.fromEntries([...order.slice(n), ['USER_ID_METHOD', 'mac']])
    return readGateConfig(env, new Map()).credentials?.kind
  })
  expect(kinds).toEqual(['token', 'cubby', 'wrapped-token', 'app-id', 'aws-ec2'])
})

describe('version 2 (gatekeeper.md §12)', () => {
  const of = (env: Record<string, string>, flags: [string, string][] = []) => readGateConfig(env, new Map(flags))

  test('of a file and a folder of authorities the file counts; in version 1 the folder', () => {
    const other = file('other.pem', PEM.replace('x', 'y'))
    const both = { VAULT_CACERT: other, VAULT_CAPATH: pems }
    expect(of(both).vaultCa).toBe(PEM)
    expect(of({ ...both, TASK_GRACE: '1m' }).vaultCa).toBe(PEM.replace('x', 'y'))
  })

  test('documents below the path are read, and the last one counts, also where the path is the default one', () => {
    const path = 'secret//gatekeeper'
    expect(of({}).gate.policies).toMatchObject({ path, nested: false, lastWins: false })
    expect(of({ SCHEDULERS: 'mesos' }).gate.policies).toMatchObject({ path, nested: true, lastWins: true })
    expect(of({ WRIT_GATE_WIRE: 'v2' }).gate.policies).toMatchObject({ path, nested: true, lastWins: true })
  })

  test('an AppRole may have no SecretID', () => {
    const { credentials: found, warnings } = of({ AUTH_APP_ROLE: 'r' })
    expect(shown(found)).toEqual({ kind: 'approle', roleId: 'r', secretId: 'secret ', wrapped: false })
    expect(warnings.join()).toContain('SecretID')
  })

  test('the first that is there logs in: a token, a wrapped one, an AppRole, the instance', () => {
    const all = { VAULT_TOKEN: 't', AUTH_TOKEN_WRAPPED: 't', AUTH_APP_ROLE: 'r', AUTH_AWS_IAM: 'r' }
    const kinds = Object.keys(all).map((_, n) => of(Object.fromEntries(Object.entries(all).slice(n))).credentials?.kind)
    expect(kinds).toEqual(['token', 'wrapped-token', 'approle', 'aws-ec2'])
  })

  test.each([
    ['warning', 'warn'],
    ['panic', 'fatal'],
    ['INFO', 'info'],
    ['Debug', 'debug'],
    ['silent', 'silent'],
  ])('a log level by its name there: %s', (name, level) => {
    expect(of({ LOG_LEVEL: name }).values.logLevel).toBe(level)
  })

  test.each([
    'SCHEDULERS=mesos',
    'DCOS_UID=x',
    'DCOS_PRIVATEKEY=/x',
    'HOST_CHECK=1',
    'USE_IMAGE_NAME=1',
    'VAULT_KV_VERSION=2',
    'VAULT_APPROLE_MOUNT=x',
    'TASK_GRACE=1m',
    'POLICY_PATH=secret/data/x',
    'USAGE_STORE=memory',
    'AUTH_TOKEN_WRAPPED=x',
    'AUTH_APP_ROLE=x',
    'AUTH_AWS_EC2=1',
    'AUTH_AWS_IAM=x',
    'AUTH_AWS_NONCE=x',
  ])('%s is a setting that only it has, so its answers are expected', setting => {
    const [name = '', value = ''] = setting.split('=')
    expect(of({}).wire).toBe('v1')
    expect(of({ [name]: value }).wire).toBe('v2')
    // a flag of this name is one of version 1 as well
    const flag = name.toLowerCase().replaceAll('_', '-')
    expect(of({}, [[flag, value]]).wire).toBe(flag === 'auth-aws-ec2' ? 'v1' : 'v2')
    expect(of({ [name]: value, WRIT_GATE_WIRE: 'v1' }).wire).toBe('v1')
  })

  test.each(['listen-addr', 'mesos-master', 'vault-addr', 'vault-cacert', 'vault-capath', 'vault-skip-verify'])(
    '-%s is a flag that only it has',
    flag => {
      const values: Record<string, string> = {
        'listen-addr': ':1',
        'mesos-master': 'http://m',
        'vault-addr': 'http://v',
        'vault-cacert': pem,
        'vault-capath': pems,
        'vault-skip-verify': 'true',
      }
      expect(of({}, [[flag, values[flag] ?? '']]).wire).toBe('v2')
    },
  )

  test.each([{ LOG_LEVEL: 'info' }, { VAULT_SKIP_VERIFY: '1' }, { LISTEN_ADDR: ':1' }, { MESOS_MASTER: 'http://m' }])(
    '%j may be in the environment of version 1 as well',
    env => expect(of(env).wire).toBe('v1'),
  )
})

test('secrets are taken out of the environment', () => {
  const names = [
    'VAULT_TOKEN',
    'CUBBY_TOKEN',
    'WRAPPED_TOKEN_AUTH',
    'USER_ID_SALT',
    'AUTH_APP_SECRET',
    'AUTH_AWS_NONCE',
  ]
  const env: NodeJS.ProcessEnv = Object.fromEntries([...names, 'MESOS_MASTER'].map(name => [name, 'canary']))
  env.MESOS_MASTER = 'zk://user:canary@host/mesos'
  readGateConfig(env, new Map())
  expect(env).toEqual({})
})

test.each<[Record<string, string>, string]>([
  [{ PEERS: 'http://a:1' }, 'PEERS'],
  [{ METRICS_STATSD: 'a:1' }, 'METRICS_STATSD'],
  [{ USAGE_STORE: 'vault' }, 'USAGE_STORE'],
  [{ MESOS_SKIPVERIFY: 'true' }, 'MESOS_SKIPVERIFY'],
  [{ TASK_LIFE: 'soon' }, 'TASK_LIFE'],
  [{ SEAL_HTTP_STATUS: 'x' }, 'SEAL_HTTP_STATUS'],
  [{ APP_ID: 'a' }, 'USER_ID_METHOD'],
  [{ VAULT_CAPATH: '/nowhere' }, 'VAULT_CAPATH'],
  [{ WRIT_GATE_WRAP_TTL: '1h' }, 'WRIT_GATE_WRAP_TTL'],
  [{ LISTEN_ADDR: 'nowhere' }, 'LISTEN_ADDR'],
  [{ TLS_CERT: pem }, 'TLS_CERT and TLS_KEY belong together'],
  [{ TLS_KEY: pem }, 'TLS_CERT and TLS_KEY belong together'],
  [{ TLS_CERT: '/nowhere', TLS_KEY: pem }, 'TLS_CERT'],
  [{ VAULT_CACERT: notPem }, 'VAULT_CACERT'],
  [{ VAULT_CACERT: '/nowhere' }, 'VAULT_CACERT'],
  [{ VAULT_SKIP_VERIFY: 'yes' }, 'VAULT_SKIP_VERIFY'],
  [{ TASK_LIFE: '120' }, 'TASK_LIFE'],
  [{ VAULT_ADDR: 'vault:8200' }, 'VAULT_ADDR'],
  [{ VAULT_ADDR: 'http://vault:8200/?x=1' }, 'VAULT_ADDR'],
])('%j is refused, by name', (env, name) => {
  expect(() => readGateConfig(env, new Map())).toThrow(name)
})

test.each<[Record<string, string>, number]>([
  [{}, 120],
  [{ TASK_LIFE: '1h' }, 600],
  [{ TASK_LIFE: '30s' }, 30],
  [{ TASK_LIFE: '1h', WRIT_GATE_WRAP_TTL: '20m' }, 1_200],
])('%j: the wrap lives %d seconds', (env, seconds) => {
  expect(readGateConfig(env, new Map()).gate.wrapTtlSeconds).toBe(seconds)
})

test('flags of statsd and of the usage store, without it, are of no effect', () => {
  const flags = ['metrics-ticker', 'metrics-statsd-prefix', 'usage-store-vault-path'].map(flag => [flag, 'x'] as const)
  const booleans = ['metrics-statsd-influx', 'metrics-statsd-datadog'].map(flag => [flag, 'true'] as const)
  expect(readGateConfig({}, new Map([...flags, ...booleans])).credentials).toBeNull()
})
