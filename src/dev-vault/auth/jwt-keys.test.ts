import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Clock } from '../clock.ts'
import { testClient } from '../http/test-client.ts'
import { type DevVault, startDevVault } from '../server.ts'
import type { JsonObject } from '../text/json.ts'

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const [first, second] = [pair(), pair()]
const jwk = (key: KeyObject, more: object) => ({ ...key.export({ format: 'jwk' }), ...more })

let published: unknown
let asked: number
let keys: Server
let url: string
let vault: DevVault
let call: ReturnType<typeof testClient>
beforeEach(async () => {
  asked = 0
  published = { keys: [{ kty: 'odd' }, { kty: 'oct', k: 'AAAA', kid: 'one' }, jwk(first.publicKey, { kid: 'one' })] }
  keys = createServer((_, response) => {
    asked++
    response.end(JSON.stringify(published))
  })
  await new Promise<void>(resolve => keys.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks`
  vault = await startDevVault({ clock: new Clock() })
  call = testClient(vault)
  await vault.write('sys/auth/jwt', { type: 'jwt' })
  await vault.write('auth/jwt/config', { jwks_url: url })
  await role({})
})
afterEach(async () => {
  await vault.close()
  keys.closeAllConnections()
  keys.close()
})

const role = (fields: JsonObject) =>
  vault.write('auth/jwt/role/ci', { role_type: 'jwt', user_claim: 'sub', bound_subject: 'ann', ...fields })

async function login(kid: string | undefined, key: KeyObject, claims: JsonObject = {}): Promise<number> {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iat = Math.trunc(vault.clock.now() / 1000)
  const text = `${encode({ alg: 'ES256', ...(kid && { kid }) })}.${encode({ sub: 'ann', iat, ...claims })}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  const body = { role: 'ci', jwt: `${text}.${signature}` }
  return (await call('POST', 'auth/jwt/login', { token: '', body })).status
}

describe('keys at a URL', () => {
  it('are asked for once, whether a token names its key or not', async () => {
    expect([await login('one', first.privateKey), await login(undefined, first.privateKey)]).toEqual([200, 200])
    expect(await login('one', second.privateKey)).toBe(400)
    expect(asked).toBe(1)
  })

  it('are asked for again when a token names another, but not by everyone all the time', async () => {
    published = { keys: [jwk(second.publicKey, { kid: 'two' })] }
    expect(await login('two', second.privateKey)).toBe(400)
    expect(asked).toBe(1)
    vault.clock.advance(1000)
    expect(await login('two', second.privateKey)).toBe(200)
    for (let i = 0; i < 10; i++) expect(await login(`x${i}`, second.privateKey)).toBe(400)
    expect(asked).toBe(2)
    expect(await login('one', first.privateKey)).toBe(400)
  })

  it('that are not for signatures are none', async () => {
    published = { keys: [jwk(second.publicKey, { kid: 'two', use: 'enc' })] }
    vault.clock.advance(1000)
    expect(await login('two', second.privateKey)).toBe(400)
  })

  it('that cannot be had are a refusal, and those known remain', async () => {
    published = 'nonsense'
    vault.clock.advance(1000)
    expect(await login('two', second.privateKey)).toBe(400)
    expect(await login('one', first.privateKey)).toBe(200)
  })

  it.each([
    [{ jwks_url: 'http://127.0.0.1:1/' }, 'error checking jwks URL'],
    [{ jwks_url: 'nonsense' }, 'error checking jwks URL'],
    [{}, 'exactly one of'],
    [{ jwks_url: 'http://127.0.0.1:1/', jwt_validation_pubkeys: ['x'] }, 'exactly one of'],
    [{ oidc_discovery_url: 'https://accounts.example.org' }, 'not supported'],
  ])('%j is refused', async (config, reason) => {
    await expect(vault.write('auth/jwt/config', config)).rejects.toThrow(reason)
  })
})

describe('claims', () => {
  it.each<[JsonObject, JsonObject, number]>([
    [{ bound_claims: { team: ['a', 'b'] } }, { team: 'b' }, 200],
    [{ bound_claims: { team: ['a', 'b'] } }, { team: ['x', 'a'] }, 200],
    [{ bound_claims: { team: 'a' } }, { team: 'c' }, 400],
    [{ bound_claims: { team: 'a' } }, {}, 400],
    [{ bound_claims: { team: 'a*' } }, { team: 'ab' }, 400],
    [{ bound_claims: { team: 'a*' }, bound_claims_type: 'glob' }, { team: 'ab' }, 200],
    [{ bound_claims: { team: 'a*' }, bound_claims_type: 'glob' }, { team: 'ba' }, 400],
    [{ bound_claims: { '/org/team': 'a' } }, { org: { team: 'a' } }, 200],
    [{ bound_claims: { '/org/team': 'a' } }, { org: 'a' }, 400],
    [{ bound_claims: { '/__proto__/toString': 'a' } }, {}, 400],
    [{ bound_claims: { admin: true } }, { admin: true }, 200],
    [{ bound_claims: { admin: true } }, { admin: 'true' }, 400],
    [{ bound_audiences: 'vault' }, { aud: ['other', 'vault'] }, 200],
    [{ bound_audiences: 'vault' }, { aud: 'other' }, 400],
    [{}, { sub: 'bob' }, 400],
    [{ token_bound_cidrs: '10.0.0.0/8' }, {}, 403],
  ])('%j, %j: %i', async (fields, claims, status) => {
    await role(fields)
    expect(await login('one', first.privateKey, claims)).toBe(status)
  })

  it('of other algorithms than those that are allowed are not looked at', async () => {
    await vault.write('auth/jwt/config', { jwks_url: url, jwt_supported_algs: 'RS256' })
    expect(await login('one', first.privateKey)).toBe(400)
    await vault.write('auth/jwt/config', { jwks_url: url, jwt_supported_algs: 'RS256,ES256' })
    expect(await login('one', first.privateKey)).toBe(200)
  })
})
