import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startTestVault, type TestVault } from '../../../test/dev-vault.ts'
import { FakeServer, json } from '../../../test/fake-server.ts'
import { SlowVault } from '../../../test/slow-vault.ts'
import { RequestError } from '../../client/error.ts'
import { Secret } from '../../vault/secret.ts'
import { lookupSelf } from '../../vault/token.ts'
import type { Credentials } from './options.ts'
import { Session } from './session.ts'

const ID = 'a'.repeat(24)
const MINUTES = 60_000
const { signal } = new AbortController()
const NEVER = signal

let t: TestVault
let server: FakeServer
let session: Session
const traces: string[] = []

beforeAll(async () => {
  t = await startTestVault()
  await t.write('sys/auth/approle', { type: 'approle' })
  await t.write('sys/mounts/transit', { type: 'transit' })
  await t.write('transit/keys/gostint-role', {})
  await t.write('auth/approle/role/gostint-role', {})
  await t.write('sys/policies/acl/all', { policy: 'path "*" { capabilities = ["create", "update", "read", "sudo"] }' })
})
afterAll(() => t.close())

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  // as a server does it: whoever shows a token that Vault does not know is sent away
  server = await FakeServer.listen(async (response, { headers }) => {
    const alive = await isAlive(new Secret(String(headers['x-auth-token'])))
    if (alive) json(response, 200, { _id: ID, status: 'running' })
    else json(response, 403, { status: 'Permission Denied.', error: 'permission denied' })
  })
})
afterEach(async () => {
  await session.close()
  await server.close()
  vi.useRealTimers()
  traces.splice(0)
})

async function open(credentials: Credentials, vault = t.dev.address, signal = NEVER): Promise<void> {
  session = await Session.open(
    {
      server: { url: server.address, ca: undefined, verify: true },
      vault: { address: vault, ca: undefined, namespace: undefined, serverName: undefined },
      credentials,
      jobRole: 'gostint-role',
    },
    text => traces.push(text),
    signal,
  )
}

/** A role as GoStint's own tests make it (gostint.md §18.1), and what one needs to log in by it. */
async function requestorRole(more: object = {}): Promise<Credentials> {
  const path = 'auth/approle/role/requestor'
  const usual = { token_policies: ['all'], token_ttl: '20m', token_max_ttl: '30m', secret_id_num_uses: 0 }
  await t.write(path, { ...usual, ...more })
  const [role, secret] = await Promise.all([
    t.vault.send({ method: 'GET', path: `${path}/role-id`, token: t.root }),
    t.vault.send({ method: 'POST', path: `${path}/secret-id`, token: t.root, body: {} }),
  ])
  return {
    kind: 'approle',
    roleId: String(role?.data?.role_id),
    secretId: new Secret(String(secret?.data?.secret_id)),
  }
}

/** Both clocks: Vault's, and the one by which the client renews. */
function pass(milliseconds: number): void {
  t.dev.clock.advance(milliseconds)
  vi.setSystemTime(Date.now() + milliseconds)
}

const isAlive = (token: Secret) =>
  lookupSelf(t.vault, token).then(
    () => true,
    () => false,
  )
const shown = (index: number) => new Secret(String(server.seen.at(index)?.headers['x-auth-token']))

async function livingTokens(): Promise<string[]> {
  const listed = await t.vault.send({ method: 'LIST', path: 'auth/token/accessors/', token: t.root })
  return ((listed?.data?.keys ?? []) as string[]).sort()
}

test('a job that takes longer than its requestor may be logged in: a renewed login, and then a new one', async () => {
  const before = await livingTokens()
  await open(await requestorRole())
  await session.submit({}, signal)
  for (let minutes = 0; minutes < 120; minutes += 5) {
    pass(5 * MINUTES)
    expect(await session.job(ID, signal)).toMatchObject({ status: 'running' })
  }
  expect(traces.filter(text => text === 'tokens renewed').length).toBeGreaterThan(3)
  // 30 minutes are the most that the role allows for one login
  expect(traces.filter(text => text.includes('logging in again')).length).toBeGreaterThanOrEqual(3)
  await session.close()
  expect(await livingTokens()).toEqual(before)
})

test('a machine that slept through everything: one new login', async () => {
  await open(await requestorRole())
  await session.submit({}, signal)
  pass(600 * MINUTES)
  expect(await session.job(ID, signal)).toMatchObject({ status: 'running' })
  expect(traces.filter(text => text.includes('logging in again'))).toHaveLength(1)
})

test('a SecretID for one login: the login is renewed as long as Vault allows it, and then it is said why it ends', async () => {
  await open(await requestorRole({ secret_id_num_uses: 1, token_max_ttl: '60m' }))
  await session.submit({}, signal)
  for (let minutes = 0; minutes < 55; minutes += 5) {
    pass(5 * MINUTES)
    expect(await session.job(ID, signal)).toMatchObject({ status: 'running' })
  }
  pass(10 * MINUTES)
  await expect(session.job(ID, signal)).rejects.toMatchObject({ path: 'auth/approle/login', kind: 'invalid' })
})

test.each([
  ['it logs in', /approle.login/],
  ['it looks at its login', /lookup-self/],
  ['it seals', /encrypt/],
])('given up while %s: no token is left over', async (_what, path) => {
  const slow = await SlowVault.before(t.dev.address)
  const before = await livingTokens()
  const { held, release } = slow.hold(path)
  const leaving = new AbortController()
  const work = async () => {
    await open(await requestorRole(), slow.address, leaving.signal)
    await session.submit({}, leaving.signal)
  }
  const ended = expect(work()).rejects.toThrow('enough')
  await held
  leaving.abort(new Error('enough'))
  release()
  await ended
  await session.close()
  // one of those that are left is the authority, wrapped, which ends by itself
  expect((await livingTokens()).length - before.length).toBeLessThanOrEqual(path.test('encrypt') ? 1 : 0)
  await slow.close()
})

test('a token that was given is neither renewed nor revoked; the one made of it is both', async () => {
  const token = await t.token({ policies: ['all'], ttl: '24h' })
  await open({ kind: 'token', token })
  await session.submit({}, signal)
  const apiToken = shown(-1)
  for (let hours = 0; hours < 20; hours += 1) {
    pass(60 * MINUTES)
    expect(await session.job(ID, signal)).toMatchObject({ status: 'running' })
  }
  expect((await lookupSelf(t.vault, token)).ttl).toBeLessThanOrEqual(4 * 3600)
  expect(shown(-1).reveal()).toBe(apiToken.reveal())
  await session.close()
  expect(await isAlive(apiToken)).toBe(false)
  expect(await isAlive(token)).toBe(true)
})

test('a token that was given and has ended: there is nothing to log in with', async () => {
  await open({ kind: 'token', token: await t.token({ policies: ['all'], ttl: '10m' }) })
  await session.submit({}, signal)
  pass(11 * MINUTES)
  await expect(session.job(ID, signal)).rejects.toBeInstanceOf(RequestError)
})

test('whoever is refused with a new login is refused', async () => {
  await open(await requestorRole())
  await session.submit({}, signal)
  server.answer = response => json(response, 403, { status: 'Permission Denied.' })
  const asked = server.seen.length
  await expect(session.job(ID, signal)).rejects.toMatchObject({ status: 403, message: 'Permission Denied.' })
  expect(server.seen.length - asked).toBe(2)
})

test('the authority lives for an hour: an old server opens it when the turn of the job comes', async () => {
  await open({ kind: 'token', token: await t.token({ policies: ['all'] }) })
  await session.submit({ qname: 'q' }, signal)
  const { wrap_secret_id: wrap } = JSON.parse(server.seen[0]?.body ?? '{}')
  const facts = await t.vault.send({ method: 'POST', path: 'sys/wrapping/lookup', token: null, body: { token: wrap } })
  expect(facts?.data).toMatchObject({ creation_ttl: 3600 })
})
