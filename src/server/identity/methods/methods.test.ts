import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../../../test/dev-vault.ts'
import { FakeServer, json } from '../../../../test/fake-server.ts'
import { AUTHORITY, certificate, LEAF } from '../../../dev-vault/auth/cert/test-authority.ts'
import { startDevVault } from '../../../dev-vault/index.ts'
import { Vault } from '../../../vault/client.ts'
import { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'
import { type Credentials, login } from '../credentials.ts'
import { type UserIdSource, userId } from './user-id.ts'

let stack: TestVault
let github: FakeServer
let cluster: FakeServer
let metadata: FakeServer
const folder = mkdtempSync(join(tmpdir(), 'writ-methods-'))
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

beforeAll(async () => {
  stack = await startTestVault()
  const methods = ['approle', 'userpass', 'github', 'app-id', 'jwt', 'kubernetes']
  for (const type of methods) await stack.write(`sys/auth/${type}`, { type })
  await stack.write('auth/userpass/users/ann', { password: 'correct horse', token_policies: 'gate' })
  github = await FakeServer.listen((response, { headers, url }) => {
    const known = headers.authorization === 'Bearer pat'
    const answers: Record<string, unknown> = { '/user': { login: 'ann' }, '/user/orgs': [{ login: 'acme' }] }
    json(response, known ? 200 : 401, answers[url.split('?')[0] ?? ''] ?? [])
  })
  await stack.write('auth/github/config', { organization: 'acme', base_url: github.address })
  await stack.write('auth/github/map/users/ann', { value: 'gate' })
  cluster = await FakeServer.listen((response, { body }) => {
    const authenticated = body.includes(serviceAccount)
    const user = { username: 'system:serviceaccount:ops:gate', uid: 'u', groups: [] }
    json(response, 201, { status: authenticated ? { authenticated, user } : { authenticated } })
  })
  await stack.write('auth/kubernetes/config', { kubernetes_host: cluster.address })
  const bound = { bound_service_account_names: 'gate', bound_service_account_namespaces: 'ops' }
  await stack.write('auth/kubernetes/role/gate', { ...bound, token_policies: 'gate' })
  const pem = ec.publicKey.export({ type: 'spki', format: 'pem' })
  await stack.write('auth/jwt/config', { jwt_validation_pubkeys: [pem] })
  const role = { role_type: 'jwt', user_claim: 'sub', bound_audiences: 'vault', token_policies: 'gate' }
  await stack.write('auth/jwt/role/gate', role)
  metadata = await FakeServer.listen((response, { method, url, headers }) => {
    if (method === 'PUT') return response.end('session')
    const good = headers['x-aws-ec2-metadata-token'] === 'session' && url.endsWith('/instance-identity/pkcs7')
    response.writeHead(good ? 200 : 401).end('MIIC\nsigned\n')
  })
})
afterAll(async () => {
  for (const part of [github, cluster, metadata, stack]) await part.close()
  rmSync(folder, { recursive: true })
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
function jwt(claims: object): string {
  const text = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
const now = Math.floor(Date.now() / 1000)
const times = { iat: now - 60, nbf: now - 60, exp: now + 600 }
const serviceAccount = jwt({ sub: 'system:serviceaccount:ops:gate', ...times })
const ofCi = jwt({ sub: 'ci', aud: 'vault', ...times })

async function wrapped(path: string, body: object): Promise<Secret> {
  const answer = await stack.vault.send({ method: 'POST', path, token: stack.root, body, wrapTtl: '60s' })
  return answer?.wrap?.token ?? expect.fail('not wrapped')
}

async function approle() {
  await stack.write('auth/approle/role/gate', { token_policies: ['gate'], bind_secret_id: true, token_bound_cidrs: '' })
  const ask = (method: 'GET' | 'POST', what: string) =>
    stack.vault.send({ method, path: `auth/approle/role/gate/${what}`, token: stack.root })
  const roleId = String((await ask('GET', 'role-id'))?.data?.role_id)
  return {
    kind: 'approle',
    roleId,
    secretId: new Secret(String((await ask('POST', 'secret-id'))?.data?.secret_id)),
  } as const
}

async function cubby(value: object): Promise<Secret> {
  const hole = await stack.token({ policies: ['default'], ttl: '60s' })
  await stack.vault.send({ method: 'POST', path: 'cubbyhole/vault-token', token: hole, body: value })
  return hole
}

async function appId(userIdText: string): Promise<void> {
  await stack.write('auth/app-id/map/app-id/app', { value: 'gate' })
  await stack.write(`auth/app-id/map/user-id/${userIdText}`, { value: 'app' })
}

function file(text: string): string {
  const path = join(folder, String(Math.random()))
  writeFileSync(path, text)
  return path
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** Each method with what makes it succeed; what it may be used for again. */
const METHODS: Record<string, [make: () => Promise<Credentials>, again: string | null]> = {
  token: [async () => ({ kind: 'token', token: await stack.token({ policies: ['gate'], ttl: '1h' }) }), 'token'],
  'wrapped-token': [
    async () => ({ kind: 'wrapped-token', wrap: await wrapped('auth/token/create', { policies: ['gate'] }) }),
    null,
  ],
  cubby: [
    async () => {
      const token = await stack.token({ policies: ['gate'], ttl: '1h' })
      return { kind: 'cubby', cubbyToken: await cubby({ token: token.reveal() }), path: '/vault-token' }
    },
    null,
  ],
  approle: [approle, 'approle'],
  'approle, SecretID wrapped': [
    async () => ({
      ...(await approle()),
      secretId: await wrapped('auth/approle/role/gate/secret-id', {}),
      wrapped: true,
    }),
    'approle',
  ],
  'approle, where no SecretID is asked for': [
    async () => {
      const found = await approle()
      await stack.write('auth/approle/role/gate', { bind_secret_id: false, token_bound_cidrs: '127.0.0.1/32' })
      return { ...found, secretId: new Secret('') }
    },
    'approle',
  ],
  userpass: [async () => ({ kind: 'userpass', username: 'ann', password: new Secret('correct horse') }), 'userpass'],
  github: [async () => ({ kind: 'github', token: new Secret('pat') }), 'github'],
  'app-id by the content of a file': [
    async () => {
      await appId(sha256('machine-7\n'))
      return { kind: 'app-id', appId: 'app', userId: { method: 'file', path: file('machine-7\n'), hash: 'sha256' } }
    },
    'app-id',
  ],
  'app-id with a salt': [
    async () => {
      await appId(sha256('salt$machine-7'))
      const userId = { method: 'file', path: file('machine-7'), hash: 'sha256', salt: 'salt' }
      return { kind: 'app-id', appId: 'app', userId }
    },
    'app-id',
  ],
  'app-id by the address of an interface': [
    async () => {
      const found = Object.entries(networkInterfaces()).find(([, list]) => list?.some(one => !one.internal))
      // without any, loopback's, which is empty and so must be hashed
      const [name, address] = found ? [found[0], found[1]?.[0]?.mac ?? ''] : ['lo', '']
      await appId(createHash('md5').update(address).digest('hex'))
      return { kind: 'app-id', appId: 'app', userId: { method: 'mac', interface: name, hash: 'md5' } }
    },
    'app-id',
  ],
  jwt: [async () => ({ kind: 'jwt', role: 'gate', jwt: new Secret(ofCi) }), 'jwt'],
  'jwt from a file': [async () => ({ kind: 'jwt', role: 'gate', jwt: { file: file(`${ofCi}\n`) } }), 'jwt'],
  kubernetes: [
    async () => ({ kind: 'kubernetes', role: 'gate', tokenFile: file(`${serviceAccount}\n`) }),
    'kubernetes',
  ],
}

test.each(Object.entries(METHODS))('%s', async (_, [make, again]) => {
  const found = await login(stack.vault, await make())
  expect((await lookupSelf(stack.vault, found.token)).policies).toContain('gate')
  expect(found.leaseSeconds).toBeGreaterThan(0)
  expect(found.again?.kind ?? null).toBe(again)
  if (!found.again) return
  // what it says can be used again can be
  const second = await login(stack.vault, found.again)
  expect((await lookupSelf(stack.vault, second.token)).policies).toContain('gate')
})

/** One that the system lists with no address of IP: a part of a bridge, or one that is down. */
const bare = readdirSync('/sys/class/net').find(name => {
  return !networkInterfaces()[name] && existsSync(`/sys/class/net/${name}/address`)
})
test.skipIf(!bare)('app-id by an interface without an address of IP, as Go knows it', async () => {
  const address = readFileSync(`/sys/class/net/${bare}/address`, 'utf8').trim()
  expect(await userId({ method: 'mac', interface: bare ?? '' })).toBe(address)
  for (const name of ['.', '..', '../net/lo', `./${bare}`, 'lo/..', '', 'nowhere']) {
    await expect(userId({ method: 'mac', interface: name })).rejects.toMatchObject({ name: 'VaultError' })
  }
})

test.each<[Partial<UserIdSource>, string]>([
  [{}, 'machine\n'],
  [{ salt: 'salt' }, 'machine\n'],
  [{ hash: 'md5' }, createHash('md5').update('machine\n').digest('hex')],
  [{ hash: 'sha1' }, createHash('sha1').update('machine\n').digest('hex')],
  [{ hash: 'sha256', salt: 'salt' }, createHash('sha256').update('salt$machine\n').digest('hex')],
])('the user id of a file, with %j', async (source, expected) => {
  expect(await userId({ method: 'file', path: file('machine\n'), ...source })).toBe(expected)
})

test('loopback has no address', async () => {
  expect(await userId({ method: 'mac', interface: 'lo' })).toBe('')
})

test('a TLS certificate', async () => {
  const root = certificate('/CN=root', AUTHORITY)
  const pair = certificate('/CN=gate', LEAF, root)
  const server = certificate('/CN=server', ['subjectAltName=IP:127.0.0.1'])
  const dev = await startDevVault({ tls: server })
  await dev.write('sys/auth/cert', { type: 'cert' })
  await dev.write('auth/cert/certs/gate', { certificate: root.cert, token_policies: 'gate' })
  const vault = new Vault({ address: dev.address, ca: server.cert, ...pair })
  for (const name of ['', 'gate']) {
    const found = await login(vault, { kind: 'cert', name })
    expect((await lookupSelf(vault, found.token)).policies).toContain('gate')
  }
  await expect(login(vault, { kind: 'cert', name: 'other' })).rejects.toMatchObject({ kind: 'invalid' })
  const without = new Vault({ address: dev.address, ca: server.cert })
  await expect(login(without, { kind: 'cert', name: '' })).rejects.toMatchObject({ kind: 'invalid' })
  await vault.close()
  await without.close()
  await dev.close()
})

test('an EC2 instance: its identity document, and the nonce of the first login at the next', async () => {
  const fake = await FakeServer.listen((response, { body }) => {
    const sent = JSON.parse(body)
    const first = sent.nonce === undefined
    const good = sent.pkcs7 === 'MIICsigned' && sent.role === 'gate' && (first || sent.nonce === 'chosen')
    const auth = {
      client_token: 't',
      accessor: 'a',
      lease_duration: 60,
      renewable: true,
      metadata: { nonce: 'chosen' },
    }
    json(response, good ? 200 : 400, good ? { auth } : { errors: ['client nonce mismatch'] })
  })
  const vault = new Vault({ address: fake.address })
  const base = { kind: 'aws-ec2', role: 'gate', nonce: new Secret(''), metadata: metadata.address } as const
  const first = await login(vault, base)
  expect(fake.seen[0]?.url).toBe('/v1/auth/aws-ec2/login')
  const second = await login(vault, first.again ?? expect.fail('it can be used again'))
  expect(second.leaseSeconds).toBe(60)
  await vault.close()
  await fake.close()
})

test('nobody at the metadata service, or somebody else', async () => {
  const other = await FakeServer.listen(response => response.writeHead(500).end('no'))
  const credentials = { kind: 'aws-ec2', role: '', nonce: new Secret('') } as const
  for (const address of [other.address, 'http://127.0.0.1:1']) {
    await expect(login(stack.vault, { ...credentials, metadata: address })).rejects.toMatchObject({
      kind: 'unavailable',
    })
  }
  await other.close()
})

const REFUSED: Record<string, () => Promise<Credentials>> = {
  'an unknown token': async () => ({ kind: 'token', token: new Secret('canary') }),
  'an unknown wrapping token': async () => ({ kind: 'wrapped-token', wrap: new Secret('canary') }),
  'a wrapping token that holds no token': async () => ({
    kind: 'wrapped-token',
    wrap: await wrapped('sys/wrapping/wrap', { token: 'canary' }),
  }),
  'a cubby without a token': async () => ({ kind: 'cubby', cubbyToken: await cubby({ a: 1 }), path: 'vault-token' }),
  'a cubby path that leaves the cubbyhole': async () => ({
    kind: 'cubby',
    cubbyToken: stack.root,
    path: '../secret/data/canary',
  }),
  'a wrong password': async () => ({ kind: 'userpass', username: 'ann', password: new Secret('canary') }),
  'a user name that is a path': async () => ({ kind: 'userpass', username: '../x', password: new Secret('canary') }),
  'a wrong GitHub token': async () => ({ kind: 'github', token: new Secret('canary') }),
  'an app id that is a path': async () => ({ kind: 'app-id', appId: 'a/b', userId: { method: 'mac' } }),
  'an unknown way to a user id': async () => ({ kind: 'app-id', appId: 'app', userId: { method: 'canary' } }),
  'an unknown hash': async () => ({
    kind: 'app-id',
    appId: 'app',
    userId: { method: 'file', path: file('canary'), hash: 'canary' },
  }),
  'a file that is not there': async () => ({
    kind: 'app-id',
    appId: 'app',
    userId: { method: 'file', path: '/nowhere/canary' },
  }),
  'a file without end': async () => ({ kind: 'app-id', appId: 'app', userId: { method: 'file', path: '/dev/zero' } }),
  'an interface that is not there': async () => ({
    kind: 'app-id',
    appId: 'app',
    userId: { method: 'mac', interface: 'canary' },
  }),
  'a wrong SecretID': async () => ({ ...(await approle()), secretId: new Secret('canary') }),
  'a JWT of somebody else': async () => ({ kind: 'jwt', role: 'gate', jwt: new Secret('canary') }),
  'a service account without a token': async () => ({ kind: 'kubernetes', role: 'gate', tokenFile: '/nowhere/x' }),
}

test.each(Object.entries(REFUSED))('%s is refused, and not repeated', async (_, make) => {
  const refusal = await login(stack.vault, await make()).then(
    () => expect.fail('it must not log in'),
    error => error,
  )
  expect(refusal).toMatchObject({ name: 'VaultError' })
  expect(refusal.message).not.toContain('canary')
})

test('what is good for once cannot be used twice, and a cubby is empty afterwards', async () => {
  for (const name of ['wrapped-token', 'cubby']) {
    const credentials = (await METHODS[name]?.[0]()) ?? expect.fail(name)
    await login(stack.vault, credentials)
    await expect(login(stack.vault, credentials)).rejects.toMatchObject({ kind: 'denied' })
  }
})
