import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { IdentityBench } from '../../../test/identity.ts'
import type { Vault } from '../../vault/client.ts'
import { Secret } from '../../vault/secret.ts'
import { lookupSelf } from '../../vault/token.ts'
import type { Identity } from './identity.ts'

let bench: IdentityBench
beforeEach(async () => {
  bench = await IdentityBench.start()
})
afterEach(() => bench.close())

const untilSealed = async (identity: Identity) => {
  for (let n = 0; n < 60 && !identity.state.sealed; n++) await bench.elapse()
  expect(identity.state.sealed).toBe(true)
}

test('with nothing configured it is sealed until somebody unseals it', async () => {
  const identity = bench.identityOf(null)
  await identity.start()
  expect(identity.state).toMatchObject({ phase: 'sealed', next: null, method: null })
  expect(await identity.unseal({ kind: 'token', token: bench.stack.root })).toBe(true)
  expect(identity.state).toMatchObject({ phase: 'unsealed', sealed: false, method: 'token' })
  expect(await identity.unseal(await bench.appRole({}))).toBe(false)
  expect(identity.token()).toBe(bench.stack.root)
})

test('an unseal that fails changes nothing', async () => {
  const identity = bench.identityOf(null)
  await expect(identity.unseal({ kind: 'token', token: new Secret('wrong') })).rejects.toMatchObject({ kind: 'denied' })
  expect(identity.state).toMatchObject({ phase: 'sealed', next: null })
})

test('who is asked to accept the new token and refuses: it stays sealed, and the token of the login is revoked', async () => {
  const identity = bench.identityOf(null)
  let seen: Secret | undefined
  const accept = async (token: Secret) => {
    seen = token
    expect(identity.state.sealed).toBe(true)
    throw new Error('no policies')
  }
  await expect(identity.unseal(await bench.appRole({}), accept)).rejects.toThrow('no policies')
  expect(identity.state.sealed).toBe(true)
  expect(await bench.alive(seen ?? expect.fail('not asked'))).toBe(false)
})

test('login and acceptance share one deadline: whoever unseals waits for both', async () => {
  const { vault } = bench.stack
  const signals: unknown[] = []
  const watched = {
    send: (call: Parameters<Vault['send']>[0]) => {
      signals.push(call.signal)
      return vault.send(call)
    },
  }
  const identity = bench.identityOf(null, watched as unknown as Vault)
  await identity.unseal({ kind: 'token', token: bench.stack.root }, async (_, signal) => void signals.push(signal))
  expect(signals).toHaveLength(2)
  expect(signals[1]).toBeInstanceOf(AbortSignal)
  expect(signals[1]).toBe(signals[0])
})

test('sealed on request: the token is gone in Vault too, and nothing unseals it but somebody', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const token = identity.token()
  await identity.seal('sealed by an operator')
  expect(await bench.alive(token)).toBe(false)
  expect(bench.planned).toBeNull()
  await identity.doubt()
  expect(identity.state).toMatchObject({ phase: 'sealed', reason: 'sealed by an operator', next: null })
  await identity.unseal({ kind: 'token', token: bench.stack.root })
  expect(identity.state.phase).toBe('unsealed')
})

test.each(['an unseal', 'a login at start'])('%s that was under way when it was sealed comes too late', async what => {
  const made: Secret[] = []
  const credentials = await bench.appRole({ token_period: '1h' })
  const slow = {
    send: async (call: Parameters<Vault['send']>[0]) => {
      const answer = await bench.stack.vault.send(call)
      if (call.path.endsWith('login') && answer?.auth) {
        made.push(answer.auth.token)
        await identity.seal('sealed by an operator')
      }
      return answer
    },
  }
  const identity = bench.identityOf(what === 'an unseal' ? null : credentials, slow as unknown as Vault)
  if (what === 'an unseal') {
    await expect(identity.unseal(credentials)).rejects.toMatchObject({ code: 'server_sealed' })
  } else await identity.start()
  expect(identity.state).toMatchObject({ phase: 'sealed', reason: 'sealed by an operator' })
  expect(await bench.alive(made[0] ?? expect.fail('no login'))).toBe(false)
})

test('many unseals at once: one of them counts, and the tokens of the others are revoked', async () => {
  const identity = bench.identityOf(null)
  const credentials = await bench.appRole({ token_period: '1h' })
  const made: Secret[] = []
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => identity.unseal(credentials, async token => void made.push(token))),
  )
  expect(answers.filter(Boolean)).toHaveLength(1)
  const living = await Promise.all(made.map(token => bench.alive(token)))
  expect(living.filter(Boolean)).toHaveLength(1)
  expect(await bench.alive(identity.token())).toBe(true)
})

test('a token that came wrapped and reaches its end: sealed for good, and it says why', async () => {
  const body = { policies: ['default'], ttl: '10m', explicit_max_ttl: '1h' }
  const call = { method: 'POST', path: 'auth/token/create', token: bench.stack.root, body, wrapTtl: '60s' } as const
  const wrap = (await bench.stack.vault.send(call))?.wrap?.token ?? expect.fail('not wrapped')
  const identity = bench.identityOf({ kind: 'wrapped-token', wrap })
  await identity.start()
  expect(identity.state.phase).toBe('unsealed')
  await untilSealed(identity)
  expect(identity.state.reason).toContain('wrapped-token cannot be used again')
  expect(bench.planned).toBeNull()
})

test('a wrapped token that is refused at start is not tried for ever', async () => {
  const identity = bench.identityOf({ kind: 'wrapped-token', wrap: new Secret('spent') })
  await identity.start()
  expect(identity.state).toMatchObject({ phase: 'sealed', next: null })
  expect(bench.planned).toBeNull()
})

test('Vault that goes away between opening a wrapped token and looking at it does not lose it', async () => {
  const call = { method: 'POST', path: 'auth/token/create', body: { policies: ['default'], ttl: '1h' } } as const
  const wrap = (await bench.stack.vault.send({ ...call, token: bench.stack.root, wrapTtl: '60s' }))?.wrap?.token
  const flaky = {
    send: async (call: Parameters<Vault['send']>[0]) => {
      if (call.path.endsWith('lookup-self')) bench.stack.dev.seal()
      return await bench.stack.vault.send(call)
    },
  }
  const identity = bench.identityOf({ kind: 'wrapped-token', wrap: wrap ?? expect.fail() }, flaky as unknown as Vault)
  await identity.start()
  expect(identity.state.sealed).toBe(false)
  await bench.elapse()
  expect(identity.state.phase).toBe('degraded')
  bench.stack.dev.unseal()
  await bench.elapse()
  expect(identity.state.phase).toBe('unsealed')
  expect(await bench.alive(identity.token())).toBe(true)
})

test('degraded when Vault is away, with what it will do and when; well again by itself', async () => {
  const identity = bench.identityOf({ kind: 'token', token: bench.stack.root })
  await identity.start()
  bench.stack.dev.seal()
  await identity.doubt()
  expect(identity.state).toMatchObject({ phase: 'degraded', sealed: false, reason: expect.stringContaining('away') })
  expect(identity.state.next).toMatchObject({ what: 'ask Vault again', at: expect.any(Date) })
  for (let n = 0; n < 8; n++) expect(await bench.elapse()).toBeLessThanOrEqual(30_000)
  bench.stack.dev.unseal()
  await bench.elapse()
  expect(identity.state).toMatchObject({ phase: 'unsealed', next: null })
})

test('a login that fails while the old token still lives does not seal', async () => {
  const credentials = await bench.appRole({ token_type: 'batch', token_ttl: '1h' })
  const identity = bench.identityOf(credentials)
  await identity.start()
  const token = identity.token()
  bench.stack.dev.seal()
  await bench.elapse()
  expect(identity.state).toMatchObject({ phase: 'degraded', sealed: false })
  bench.stack.dev.unseal()
  expect(await bench.alive(identity.token())).toBe(true)
  await bench.elapse()
  expect(identity.state.phase).toBe('unsealed')
  expect(identity.token()).not.toBe(token)
})

test('self-recreate-token: near its end the token makes its own successor, again and again, without spinning', async () => {
  const policy = 'path "auth/token/create" { capabilities = ["create", "update", "sudo"] }'
  await bench.stack.write('sys/policies/acl/maker', { policy })
  const body = { policies: ['maker'], ttl: '20m', explicit_max_ttl: '1h' }
  const first = (
    await bench.stack.vault.send({ method: 'POST', path: 'auth/token/create', token: bench.stack.root, body })
  )?.auth
  const token = first?.token ?? expect.fail('no token')
  const identity = bench.identityOf({ kind: 'token', token }, bench.stack.vault, { recreate: true })
  await identity.start()
  const tokens = new Set<string>()
  for (let n = 0; n < 40; n++) {
    expect(await bench.elapse()).toBeGreaterThanOrEqual(60_000)
    expect(identity.state.phase).toBe('unsealed')
    expect(await bench.alive(identity.token())).toBe(true)
    tokens.add(identity.token().reveal())
  }
  expect(tokens.size).toBeGreaterThan(1)
  expect(await bench.alive(token)).toBe(false)
  const { policies } = await lookupSelf(bench.stack.vault, identity.token())
  expect([...policies].sort()).toEqual(['default', 'maker'])
})

describe('what is configured', () => {
  test('comes first: who unseals while it is tried again does not take its place', async () => {
    const credentials = await bench.appRole({ token_period: '1h' })
    const identity = bench.identityOf(credentials)
    bench.stack.dev.seal()
    await identity.start()
    expect(identity.state).toMatchObject({ phase: 'sealed', next: { what: 'log in again' } })
    bench.stack.dev.unseal()
    const weak = await bench.stack.token({ policies: ['default'], ttl: '1h' })
    const accept = async () => expect.fail('not used')
    const offers = Array.from({ length: 8 }, () => identity.unseal({ kind: 'token', token: weak }, accept))
    expect(await Promise.all(offers)).toEqual(offers.map(() => false))
    expect(identity.state).toMatchObject({ phase: 'unsealed', method: 'approle' })
    expect(identity.token()).not.toBe(weak)
  })

  test.each(['token', 'wrapped-token', 'userpass'] as const)(
    'and refused, gives way to a %s, and is gone back to when that has ended',
    async kind => {
      const configured = await bench.appRole({ token_period: '1h' })
      const identity = bench.identityOf({ ...configured, secretId: new Secret('not yet good') })
      await identity.start()
      expect(identity.state).toMatchObject({ phase: 'sealed', method: 'approle' })
      expect(await identity.unseal(await bench.offer(kind))).toBe(true)
      expect(identity.state).toMatchObject({ phase: 'unsealed', method: kind })
      await bench.end(identity.token())
      await identity.doubt()
      for (let n = 0; n < 3 && identity.state.method !== 'approle'; n++) await bench.elapse()
      expect(identity.state).toMatchObject({ phase: 'sealed', method: 'approle', next: { what: 'log in again' } })
    },
  )

  test('is forgotten when somebody seals', async () => {
    const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
    await identity.start()
    await identity.seal('sealed by an operator')
    expect(await identity.unseal(await bench.offer('wrapped-token'))).toBe(true)
    await bench.end(identity.token())
    await identity.doubt()
    expect(identity.state).toMatchObject({ phase: 'sealed', next: null })
  })
})
