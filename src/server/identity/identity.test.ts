import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeServer, json } from '../../../test/fake-server.ts'
import { IdentityBench } from '../../../test/identity.ts'
import { loginAppRole } from '../../vault/approle.ts'
import { Vault } from '../../vault/client.ts'
import { VaultError } from '../../vault/error.ts'
import { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import type { Credentials } from './credentials.ts'

let bench: IdentityBench
beforeEach(async () => {
  bench = await IdentityBench.start()
})
afterEach(() => bench.close())

test('before its first login it is sealed and says so', () => {
  const identity = bench.identityOf({ kind: 'token', token: bench.stack.root })
  expect(identity.state).toMatchObject({ sealed: true, reason: 'not logged in yet' })
  expect(() => identity.token()).toThrowError(expect.objectContaining({ code: 'server_sealed' }))
})

test('a periodic AppRole: logged in at start, renewed before it expires, for ever with the same token', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  expect(identity.state).toMatchObject({ sealed: false, reason: 'logged in by approle' })
  for (let n = 0; n < 30; n++) {
    const ms = await bench.elapse()
    expect(ms).toBeGreaterThanOrEqual(0.6 * 3_600_000)
    expect(ms).toBeLessThanOrEqual(0.7 * 3_600_000)
    expect(await bench.alive(token)).toBe(true)
  }
  expect(identity.token()).toBe(token)
})

test('the moment of renewal varies, so that many nodes do not come at once', async () => {
  const credentials = await bench.appRole({ token_period: '1h' })
  const moments = new Set<number>()
  for (let n = 0; n < 5; n++) {
    await bench.identityOf(credentials).start()
    moments.add(bench.planned?.ms ?? 0)
  }
  expect(moments.size).toBeGreaterThan(1)
})

test('at its maximum life renewal ends: a new login, and never a moment without a good token', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_ttl: '20m', token_max_ttl: '1h' }))
  await identity.start()
  const tokens = new Set<string>()
  for (let n = 0; n < 40; n++) {
    await bench.elapse()
    expect(identity.state.sealed).toBe(false)
    expect(await bench.alive(identity.token())).toBe(true)
    tokens.add(identity.token().reveal())
  }
  expect(tokens.size).toBeGreaterThan(4)
})

test('a token that cannot be renewed is used until a moment before its end; then it is sealed and says why', async () => {
  const token = await bench.stack.token({ policies: ['default'], ttl: '1h', renewable: false })
  const identity = bench.identityOf({ kind: 'token', token })
  await identity.start()
  let steps = 0
  while (!identity.state.sealed) {
    expect(await bench.alive(identity.token())).toBe(true)
    await bench.elapse()
    steps += 1
    expect(steps).toBeLessThan(50)
  }
  expect(await bench.alive(token)).toBe(false)
  expect(identity.state.reason).toContain('permission denied')
})

test('a root token never expires and is left alone', async () => {
  await bench.identityOf({ kind: 'token', token: bench.stack.root }).start()
  expect(bench.planned).toBeNull()
})

test('wrong credentials: sealed, with pauses that grow to half a minute and no further', async () => {
  const identity = bench.identityOf({ kind: 'approle', roleId: 'nobody', secretId: new Secret('canary-secret-id') })
  await identity.start()
  const pauses: number[] = []
  for (let n = 0; n < 12; n++) pauses.push(await bench.elapse())
  for (const [n, ms] of pauses.entries()) {
    const full = Math.min(30_000, 500 * 2 ** n)
    expect(ms).toBeGreaterThanOrEqual(full / 2)
    expect(ms).toBeLessThanOrEqual(full)
  }
  expect(identity.state).toMatchObject({ sealed: true, reason: expect.stringContaining('login by approle failed') })
  expect(identity.state.reason + bench.lines.join('') + inspect(identity, { depth: null })).not.toContain(
    'canary-secret-id',
  )
})

test.each<Credentials>([
  { kind: 'app-id', appId: 'canary-half', userId: { method: 'mac', interface: 'lo' } },
  { kind: 'userpass', username: 'canary-half', password: new Secret('canary-password') },
])(
  '$kind refused: who it is tried as is not in the state, which anybody may read, nor in the log',
  async credentials => {
    const identity = bench.identityOf(credentials)
    await identity.start()
    expect(identity.state.reason).toContain(`login by ${credentials.kind} failed`)
    expect(identity.state.reason + bench.lines.join('')).not.toContain('canary')
    const tried = await identity.unseal(credentials).catch(String)
    expect(tried).not.toContain('canary')
  },
)

test('Vault away at start: the server waits for it, and is unsealed when it is back', async () => {
  const credentials = await bench.appRole({ token_period: '1h' })
  const identity = bench.identityOf(credentials)
  bench.stack.dev.seal()
  await identity.start()
  expect(identity.state).toMatchObject({ sealed: true, reason: expect.stringContaining('503') })
  await bench.elapse()
  bench.stack.dev.unseal()
  await bench.elapse()
  expect(identity.state.sealed).toBe(false)
  // and the next failure begins with a short pause again
  bench.stack.dev.seal()
  await bench.elapse()
  expect(bench.planned?.ms).toBeLessThanOrEqual(500)
})

test('nobody at the address of Vault', async () => {
  const gone = await FakeServer.listen(response => json(response, 200, {}))
  await gone.close()
  const vault = new Vault({ address: gone.address, retry: { retries: 0, firstDelayMs: 1 } })
  const identity = bench.identityOf({ kind: 'token', token: new Secret('canary-token') }, vault)
  await identity.start()
  expect(identity.state.reason).toContain('ECONNREFUSED')
  expect(identity.state.reason + bench.lines.join('')).not.toContain('canary-token')
  await vault.close()
})

test('Vault away when renewal is due: the token is kept, and renewed when Vault is back', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  bench.stack.dev.seal()
  for (let n = 0; n < 5; n++) await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, reason: expect.stringContaining('Vault is away') })
  expect(identity.token()).toBe(token)
  bench.stack.dev.unseal()
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, reason: 'logged in by approle' })
  expect(identity.token()).toBe(token)
})

test('Vault away until the token has expired: a new login', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  bench.stack.dev.seal()
  await bench.elapse()
  bench.stack.dev.clock.advance(3_600_000)
  bench.stack.dev.unseal()
  await bench.elapse()
  expect(identity.token()).not.toBe(token)
  expect(await bench.alive(identity.token())).toBe(true)
})

test('revoked under it: a new login when renewal is due', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  await revokeSelf(bench.stack.vault, token)
  await bench.elapse()
  expect(identity.token()).not.toBe(token)
  expect(await bench.alive(identity.token())).toBe(true)
})

test('in doubt it looks at once: a token that is gone is replaced', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  await revokeSelf(bench.stack.vault, token)
  await Promise.all([identity.doubt(), identity.doubt(), identity.doubt()])
  expect(identity.token()).not.toBe(token)
  expect(await bench.alive(identity.token())).toBe(true)
})

test('in doubt about a good token, or with Vault away: it is kept', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  bench.stack.dev.seal()
  await identity.doubt()
  bench.stack.dev.unseal()
  await identity.doubt()
  expect(identity.token()).toBe(token)
})

test('in doubt while Vault is away: when it is back, the token is renewed in its time as before', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  bench.stack.dev.seal()
  await identity.doubt()
  expect(identity.state.phase).toBe('degraded')
  bench.stack.dev.unseal()
  for (let n = 0; n < 10; n++) {
    await bench.elapse()
    expect(await bench.alive(token)).toBe(true)
  }
  expect(identity.token()).toBe(token)
  expect(identity.state).toMatchObject({ phase: 'unsealed', next: { what: 'renew the token' } })
})

test('in doubt about a token that it cannot replace: sealed at once', async () => {
  const token = await bench.stack.token({ policies: ['default'], ttl: '1h' })
  const identity = bench.identityOf({ kind: 'token', token })
  await identity.start()
  await revokeSelf(bench.stack.vault, token)
  await identity.doubt()
  expect(identity.state).toMatchObject({ sealed: true, reason: expect.stringContaining('failed and is tried again') })
})

test('a token that ends while another login is under way: that login comes too late, and the next one counts', async () => {
  const { vault } = bench.stack
  let logins = 0
  const slow = {
    send: async (call: Parameters<Vault['send']>[0]) => {
      const answer = await vault.send(call)
      if (!call.path.endsWith('login') || ++logins !== 2) return answer
      await revokeSelf(vault, identity.token())
      doubted = identity.doubt()
      await expect.poll(() => identity.state.sealed).toBe(true)
      return answer
    },
  }
  let doubted: Promise<void> | undefined
  const credentials = await bench.appRole({ token_ttl: '20m', token_max_ttl: '20m' })
  const identity = bench.identityOf(credentials, slow as unknown as Vault)
  await identity.start()
  while (logins < 2) await bench.elapse()
  await doubted
  expect(identity.state).toMatchObject({ sealed: false })
  expect(await bench.alive(identity.token())).toBe(true)
})

test('a successor that cannot be made once: the token that is held, itself a successor, is not given up for the first one', async () => {
  const { vault, root } = bench.stack
  await bench.stack.write('sys/policies/acl/creates', {
    policy: 'path "auth/token/create" { capabilities = ["update", "sudo"] }',
  })
  let makes = 0
  const failing = {
    send: async (call: Parameters<Vault['send']>[0]) => {
      if (call.path === 'auth/token/create' && ++makes === 2)
        throw new VaultError({ status: 500, path: call.path, errors: ['storage'] })
      return await vault.send(call)
    },
  }
  const body = { policies: ['default', 'creates'], ttl: '20m', explicit_max_ttl: '20m' }
  const made = await vault.send({ method: 'POST', path: 'auth/token/create', token: root, body })
  const first = made?.auth?.token ?? expect.fail('no token')
  const identity = bench.identityOf({ kind: 'token', token: first }, failing as unknown as Vault, { recreate: true })
  await identity.start()
  while (makes < 2) await bench.elapse()
  expect(identity.token().reveal()).not.toBe(first.reveal())
  expect(await bench.alive(first)).toBe(false)
  for (let n = 0; n < 20; n++) {
    expect(identity.state.sealed).toBe(false)
    expect(await bench.alive(identity.token())).toBe(true)
    await bench.elapse()
  }
})

test('doubts that come all the time do not ask Vault all the time', async () => {
  const fake = await FakeServer.listen(response => json(response, 200, { data: { accessor: 'a', ttl: 3600 } }))
  const vault = new Vault({ address: fake.address })
  const identity = bench.identityOf({ kind: 'token', token: new Secret('t') }, vault)
  await identity.start()
  for (let n = 0; n < 50; n++) await identity.doubt()
  expect(fake.seen).toHaveLength(2)
  await vault.close()
  await fake.close()
})

test.each([0.2, 0.000001, -5])(
  'a Vault that gives tokens a life of %d seconds does not make it spin',
  async seconds => {
    const auth = { client_token: 't', accessor: 'a', lease_duration: seconds, renewable: true }
    const fake = await FakeServer.listen(response => json(response, 200, { auth }))
    const vault = new Vault({ address: fake.address })
    await bench.identityOf({ kind: 'approle', roleId: 'r', secretId: new Secret('s') }, vault).start()
    for (let n = 0; n < 10; n++) expect(await bench.elapse()).toBeGreaterThanOrEqual(250)
    expect(fake.seen.length).toBeLessThanOrEqual(21)
    await vault.close()
    await fake.close()
  },
)

test('a life longer than a timer can wait', async () => {
  const auth = { client_token: 't', accessor: 'a', lease_duration: 1e9, renewable: true }
  const fake = await FakeServer.listen(response => json(response, 200, { auth }))
  const vault = new Vault({ address: fake.address })
  await bench.identityOf({ kind: 'approle', roleId: 'r', secretId: new Secret('s') }, vault).start()
  expect(bench.planned?.ms).toBe(2 ** 31 - 1)
  await vault.close()
  await fake.close()
})

test('close revokes what it logged in for, and plans nothing more', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  await identity.close()
  expect(identity.state).toMatchObject({ sealed: true, reason: 'shut down' })
  expect(bench.planned).toBeNull()
  expect(await bench.alive(token)).toBe(false)
})

test("close leaves somebody else's token alone", async () => {
  const token = await bench.stack.token({ policies: ['default'], ttl: '1h' })
  const identity = bench.identityOf({ kind: 'token', token })
  await identity.start()
  await identity.close()
  expect(await bench.alive(token)).toBe(true)
})

test('close with Vault away takes no longer than it must', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  bench.stack.dev.seal()
  const start = performance.now()
  await identity.close()
  expect(performance.now() - start).toBeLessThan(2_500)
})

test('closed while it logs in: the login that still comes through is revoked', async () => {
  const credentials = await bench.appRole({ token_period: '1h' })
  const { token } = await loginAppRole(bench.stack.vault, credentials)
  let revoked = 0
  const fake = await FakeServer.listen(async (response, { url }) => {
    if (url.endsWith('revoke-self')) revoked += 1
    if (url.endsWith('login')) void identity.close()
    json(response, 200, { auth: { client_token: token.reveal(), accessor: 'a', lease_duration: 60, renewable: true } })
  })
  // its own abort does not reach this request: it has been answered already
  const vault = new Vault({ address: fake.address })
  const late = { send: (call: Parameters<Vault['send']>[0]) => vault.send({ ...call, signal: undefined }) }
  const identity = bench.identityOf(credentials, late as unknown as Vault)
  await identity.start()
  expect(identity.state).toMatchObject({ sealed: true, reason: 'shut down' })
  expect(bench.planned).toBeNull()
  expect(revoked).toBe(1)
  await vault.close()
  await fake.close()
})
