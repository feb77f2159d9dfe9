import { request } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DevVault, startDevVault } from '../server.ts'
import { testClient } from './test-client.ts'

const ORIGIN = 'https://page.example.org'

let vault: DevVault
let call: ReturnType<typeof testClient>
beforeEach(async () => {
  vault = await startDevVault()
  call = testClient(vault)
})
afterEach(() => vault.close())

async function from(origin: string, method: 'GET' | 'OPTIONS' = 'GET', wanted = 'PUT') {
  const headers = { origin, 'access-control-request-method': wanted }
  const answer = await request(`${vault.address}/v1/sys/health`, { method, headers })
  const body = await answer.body.text()
  return { status: answer.statusCode, headers: answer.headers, body }
}

const allow = (body: object) => call('POST', 'sys/config/cors', { body: { ...body } })

it('is off at first: no header, and the question of a browser is not answered', async () => {
  expect((await call('GET', 'sys/config/cors')).body).toMatchObject({ enabled: false, data: { enabled: false } })
  expect((await from(ORIGIN)).headers).not.toHaveProperty('access-control-allow-origin')
  expect((await from(ORIGIN, 'OPTIONS')).status).toBe(405)
})

it('lets in the origins that are named, and answers what a browser asks before', async () => {
  expect((await allow({ allowed_origins: `${ORIGIN},https://b`, allowed_headers: 'X-Mine' })).status).toBe(204)
  const { data } = (await call('GET', 'sys/config/cors')).body as { data: Record<string, string[]> }
  expect(data).toMatchObject({ enabled: true, allowed_origins: [ORIGIN, 'https://b'] })
  expect(data.allowed_headers).toEqual(expect.arrayContaining(['X-Vault-Token', 'X-Mine']))
  expect(await from(ORIGIN)).toMatchObject({
    status: 200,
    headers: { 'access-control-allow-origin': ORIGIN, vary: 'Origin' },
  })
  expect(await from(ORIGIN, 'OPTIONS')).toMatchObject({
    status: 200,
    body: '',
    headers: {
      'access-control-allow-methods': expect.stringContaining('LIST'),
      'access-control-allow-headers': expect.stringContaining('X-Vault-Token'),
      'access-control-max-age': '300',
    },
  })
  expect((await from(ORIGIN, 'OPTIONS', 'TRACE')).status).toBe(405)
})

it.each(['https://page.example.org.evil.example', 'http://page.example.org', 'null'])('keeps %s away', async origin => {
  await allow({ allowed_origins: [ORIGIN] })
  const { status, headers, body } = await from(origin)
  expect({ status, body: JSON.parse(body) }).toEqual({ status: 403, body: { errors: ['origin not allowed'] } })
  expect(headers).not.toHaveProperty('access-control-allow-origin')
  // Without an origin it is no browser.
  expect((await call('GET', 'sys/health')).status).toBe(200)
})

it('is for all with a star, which stands alone, and ends by DELETE', async () => {
  expect((await allow({ allowed_origins: ['*', ORIGIN] })).status).toBe(400)
  expect((await allow({})).status).toBe(400)
  await allow({ allowed_origins: '*' })
  expect((await from('https://anyone')).headers['access-control-allow-origin']).toBe('https://anyone')
  expect((await call('DELETE', 'sys/config/cors')).status).toBe(204)
  expect((await from('https://anyone')).headers).not.toHaveProperty('access-control-allow-origin')
})

it('needs sudo', async () => {
  await vault.write('sys/policies/acl/p', { policy: 'path "sys/config/cors" { capabilities = ["update", "read"] }' })
  await vault.write('auth/token/create', { id: 'limited', policies: ['p'] })
  expect((await call('GET', 'sys/config/cors', { token: 'limited' })).status).toBe(403)
})
