import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { at, testClient } from '../http/test-client.ts'
import { type DevVault, startDevVault } from '../server.ts'

let vault: DevVault
let call: ReturnType<typeof testClient>
beforeAll(async () => {
  vault = await startDevVault()
  call = testClient(vault)
})
afterAll(() => vault.close())

it('tools: hashes and random bytes, as asked for', async () => {
  const input = Buffer.from('a text').toString('base64')
  const sum = (algorithm: string) => createHash(algorithm).update('a text').digest()
  const hash = async (path: string, body: object) =>
    at(await call('POST', `sys/tools/${path}`, { body: { input, ...body } }), 'data', 'sum')
  expect(await hash('hash', {})).toBe(sum('sha256').toString('hex'))
  expect(await hash('hash/sha2-512', { format: 'base64' })).toBe(sum('sha512').toString('base64'))
  const random = at(await call('POST', 'sys/tools/random/16', { body: { format: 'hex' } }), 'data', 'random_bytes')
  expect(random).toMatch(/^[0-9a-f]{32}$/)
})

it('audit: there are no devices', async () => {
  expect(await call('GET', 'sys/audit')).toMatchObject({ status: 200, body: { data: {} } })
})

it('leader: no cluster, and no token needed', async () => {
  expect((await call('GET', 'sys/leader', { token: '' })).body).toMatchObject({ ha_enabled: false, leader_address: '' })
})
