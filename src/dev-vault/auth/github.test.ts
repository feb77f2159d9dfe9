import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testClient } from '../http/test-client.ts'
import { type DevVault, startDevVault } from '../server.ts'

const ANSWERS: Record<string, unknown> = {
  '/api/user': { login: 'ann' },
  '/api/user/orgs': [{ login: 'Acme' }],
  '/api/user/teams': [
    { name: 'Dev Team', slug: 'dev-team', organization: { login: 'acme' } },
    { name: 'Admins', slug: 'admins', organization: { login: 'other' } },
  ],
}

let github: Server
let vault: DevVault
let call: ReturnType<typeof testClient>
let status = 200
beforeEach(async () => {
  status = 200
  github = createServer((request, response) => {
    const known = request.headers.authorization === 'Bearer good'
    response.writeHead(known ? status : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(ANSWERS[new URL(request.url ?? '', 'http://x').pathname] ?? []))
  })
  await new Promise<void>(resolve => github.listen(0, '127.0.0.1', resolve))
  vault = await startDevVault()
  call = testClient(vault)
  await call('POST', 'sys/auth/github', { body: { type: 'github' } })
  const base_url = `http://127.0.0.1:${(github.address() as AddressInfo).port}/api`
  await call('POST', 'auth/github/config', { body: { organization: 'acme', base_url, token_ttl: '10m' } })
  await call('POST', 'auth/github/map/teams/dev-team', { body: { value: 'dev' } })
  await call('POST', 'auth/github/map/teams/admins', { body: { value: 'admin' } })
  await call('POST', 'auth/github/map/users/ann', { body: { value: 'ann,extra' } })
})
afterEach(async () => {
  await vault.close()
  github.closeAllConnections()
  github.close()
})

const login = (token: string) => call('POST', 'auth/github/login', { token: '', body: { token } })

describe('a GitHub login', () => {
  it('has the policies of the user and of the teams within the organization', async () => {
    expect((await login('good')).body.auth).toMatchObject({
      policies: ['ann', 'default', 'dev', 'extra'],
      metadata: { username: 'ann', org: 'acme' },
      lease_duration: 600,
    })
  })

  it('is refused for another token, another organization and a GitHub that is broken', async () => {
    expect((await login('bad')).status).toBe(400)
    status = 502
    expect((await login('good')).status).toBe(400)
    status = 200
    await call('POST', 'auth/github/config', { body: { organization: 'elsewhere' } })
    expect((await login('good')).body.errors).toEqual(['user is not part of required org'])
  })

  it('says so when GitHub cannot be reached, and not by what token', async () => {
    await call('POST', 'auth/github/config', { body: { base_url: 'http://127.0.0.1:1/' } })
    const { status: code, body } = await login('a-secret')
    expect([code, JSON.stringify(body).includes('a-secret')]).toEqual([500, false])
  })
})
