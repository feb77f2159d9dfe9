import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testClient } from '../http/test-client.ts'
import { type DevVault, startDevVault } from '../server.ts'
import type { JsonObject } from '../text/json.ts'

const PEM = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', ...PEM })
const ed = generateKeyPairSync('ed25519', PEM)
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256', ...PEM })

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
function jwt(alg: string, hash: string | null, key: string, claims: JsonObject): string {
  const text = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}`
  return `${text}.${sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
const es = (claims: JsonObject, key = ec.privateKey) => jwt('ES256', 'sha256', key, claims)

let vault: DevVault
let call: ReturnType<typeof testClient>
let cluster: Server
let reviewed: string[]
beforeAll(async () => {
  vault = await startDevVault()
  call = testClient(vault)
  await call('POST', 'sys/auth/jwt', { body: { type: 'jwt' } })
  const jwt_validation_pubkeys = [rsa.publicKey, ec.publicKey, ed.publicKey]
  await call('POST', 'auth/jwt/config', { body: { jwt_validation_pubkeys, bound_issuer: 'us' } })
  const role = {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: 'vault',
    token_policies: 'ci',
    claim_mappings: { repo: 'repository' },
  }
  expect((await call('POST', 'auth/jwt/role/ci', { body: role })).status).toBe(204)
  reviewed = []
  cluster = createServer((request, response) => {
    reviewed.push(String(request.headers.authorization))
    let text = ''
    request.on('data', chunk => {
      text += String(chunk)
    })
    request.on('end', () => {
      const { spec } = JSON.parse(text) as { spec: { token: string } }
      const { sub } = JSON.parse(Buffer.from(spec.token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
      response.end(
        JSON.stringify({
          status: { authenticated: sub !== 'ended', user: { username: `system:serviceaccount:${sub}`, uid: 'u-1' } },
        }),
      )
    })
  })
  await new Promise<void>(resolve => cluster.listen(0, '127.0.0.1', resolve))
  await call('POST', 'sys/auth/kubernetes', { body: { type: 'kubernetes' } })
  const kubernetes_host = `http://127.0.0.1:${(cluster.address() as AddressInfo).port}`
  await call('POST', 'auth/kubernetes/config', { body: { kubernetes_host, token_reviewer_jwt: 'reviewer' } })
  const bound = { bound_service_account_names: 'app', bound_service_account_namespaces: 'team', token_policies: 'app' }
  expect((await call('POST', 'auth/kubernetes/role/app', { body: bound })).status).toBe(204)
})
afterAll(async () => {
  await vault.close()
  cluster.closeAllConnections()
  cluster.close()
})

const now = () => Math.trunc(Date.now() / 1000)
const good = () => ({ iss: 'us', sub: 'ann', aud: ['vault'], iat: now(), exp: now() + 300, repo: 'writ' })
const login = (token: string, role = 'ci') => call('POST', 'auth/jwt/login', { token: '', body: { role, jwt: token } })

describe('a JWT login', () => {
  it.each([
    ['RS256', () => jwt('RS256', 'sha256', rsa.privateKey, good())],
    ['ES256', () => es(good())],
    ['EdDSA', () => jwt('EdDSA', null, ed.privateKey, good())],
  ])('with %s', async (_, token) => {
    expect((await login(token())).body.auth).toMatchObject({
      policies: ['ci', 'default'],
      metadata: { role: 'ci', repository: 'writ' },
    })
  })

  it.each([
    ['another key', () => es(good(), stranger.privateKey)],
    ['no signature', () => `${encode({ alg: 'none' })}.${encode(good())}.`],
    [
      'a public key taken for a shared secret',
      () => {
        const text = `${encode({ alg: 'HS256' })}.${encode(good())}`
        return `${text}.${createHmac('sha256', rsa.publicKey).update(text).digest('base64url')}`
      },
    ],
    ['changed claims', () => es(good()).replace(/\.[^.]+\./, `.${encode({ ...good(), sub: 'bob' })}.`)],
    ['its time past', () => es({ ...good(), exp: now() - 120 })],
    ['its time to come', () => es({ ...good(), nbf: now() + 120 })],
    ['no time at all', () => es({ ...good(), exp: undefined, iat: undefined })],
    ['a claim for the metadata that is no text', () => es({ ...good(), repo: 1 })],
    ['another audience', () => es({ ...good(), aud: 'other' })],
    ['no audience', () => es({ ...good(), aud: undefined })],
    ['another issuer', () => es({ ...good(), iss: 'them' })],
    ['no user', () => es({ ...good(), sub: undefined })],
    ['nothing in it', () => 'a.b.c'],
    ['nothing', () => ''],
  ])('is refused with %s', async (_, token) => {
    expect((await login(token())).status).toBe(400)
  })

  it('is refused for a role that is not there, and a role needs a bound', async () => {
    expect((await login(es(good()), 'none')).status).toBe(400)
    expect((await call('POST', 'auth/jwt/role/x', { body: { role_type: 'jwt', user_claim: 'sub' } })).status).toBe(400)
  })
})

describe('a Kubernetes login', () => {
  const enter = (sub: string) =>
    call('POST', 'auth/kubernetes/login', { token: '', body: { role: 'app', jwt: es({ sub }) } })

  it('is what the cluster says', async () => {
    expect((await enter('team:app')).body.auth).toMatchObject({
      policies: ['app', 'default'],
      metadata: { service_account_name: 'app', service_account_namespace: 'team', role: 'app' },
    })
    expect(reviewed).toEqual(['Bearer reviewer'])
  })

  it.each(['team:other', 'other:app', 'ended', 'odd'])('is refused for %s', async sub => {
    expect((await enter(sub)).status).toBe(403)
  })

  it('is refused when the cluster cannot be asked', async () => {
    await call('POST', 'auth/kubernetes/config', { body: { kubernetes_host: 'http://127.0.0.1:1' } })
    expect((await enter('team:app')).status).toBe(403)
  })
})
