import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { IdentityBench } from '../../../test/identity.ts'
import type { Vault } from '../../vault/client.ts'
import { VaultError } from '../../vault/error.ts'
import type { VaultResponse } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { createWrappedToken, lookupSelf, revokeSelf } from '../../vault/token.ts'
import type { Credentials } from './credentials.ts'
import type { Identity } from './identity.ts'

let bench: IdentityBench
beforeEach(async () => {
  bench = await IdentityBench.start()
})
afterEach(() => bench.close())

type Call = Parameters<Vault['send']>[0]
type Answer = () => Promise<VaultResponse | null>

/** Vault, but what happens around an answer is for the test to say. */
function around(told: (call: Call, answer: Answer) => Promise<VaultResponse | null>): Vault {
  const { vault } = bench.stack
  return { send: (call: Call) => told(call, () => vault.send(call)) } as unknown as Vault
}

const refusal = (path: string, status = 403) => new VaultError({ status, path, errors: ['permission denied'] })

/** Of somebody who may make tokens. */
async function maker(ttl = '20m'): Promise<Credentials & { kind: 'token' }> {
  const rules = 'path "auth/token/create" { capabilities = ["update", "sudo"] }'
  await bench.stack.write('sys/policies/acl/creates', { policy: rules })
  const body = { policies: ['default', 'creates'], ttl, explicit_max_ttl: ttl }
  const { vault, root } = bench.stack
  const made = await vault.send({ method: 'POST', path: 'auth/token/create', token: root, body })
  return { kind: 'token', token: made?.auth?.token ?? expect.fail('no token') }
}

describe('an answer that comes after an operator has sealed', () => {
  const SEALED = { sealed: true, reason: 'by an operator', method: null, next: null }

  /** At the given call of Vault the operator seals; then it answers, or refuses, or is away. */
  async function sealedDuring(
    path: string,
    then: 'answers' | 'refuses' | 'is away',
    run: (identity: Identity) => Promise<void>,
    { credentials, recreate = false, skip = 0 }: { credentials?: Credentials; recreate?: boolean; skip?: number } = {},
  ) {
    let seen = 0
    let made = ''
    const vault = around(async (call, answer) => {
      if (!call.path.endsWith(path) || ++seen !== skip + 1) return await answer()
      const found = await answer()
      made = found?.auth?.token.reveal() ?? ''
      await identity.seal('by an operator')
      if (then === 'answers') return found
      throw refusal(path, then === 'refuses' ? 403 : 503)
    })
    const identity = bench.identityOf(credentials ?? (await bench.appRole({ token_period: '1h' })), vault, { recreate })
    await identity.start()
    await run(identity)
    expect(seen).toBeGreaterThan(skip)
    expect(identity.state).toMatchObject(SEALED)
    expect(bench.planned).toBeNull()
    expect(() => identity.token()).toThrow()
    return made
  }

  test.each(['answers', 'refuses', 'is away'] as const)('to a renewal: Vault %s', async then => {
    await sealedDuring('renew-self', then, async () => void (await bench.elapse()))
  })

  test.each(['refuses', 'is away'] as const)('to a doubt: Vault %s', async then => {
    await sealedDuring('lookup-self', then, async identity => await identity.doubt())
  })

  test.each(['answers', 'refuses', 'is away'] as const)('to a login: Vault %s', async then => {
    const again = async (identity: Identity) => {
      await revokeSelf(bench.stack.vault, identity.token())
      await identity.doubt()
    }
    await sealedDuring('login', then, again, { skip: 1 })
  })

  test('to the making of a successor: it ends, as what it succeeds does', async () => {
    const credentials = await maker()
    const near = async () => {
      for (let n = 0; n < 20 && bench.planned; n++) await bench.elapse()
    }
    const made = await sealedDuring('token/create', 'answers', near, { credentials, recreate: true })
    expect(await bench.alive(new Secret(made))).toBe(false)
  })
})

test('who unseals what is unsealed asks Vault nothing', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const [token, offer] = [identity.token(), await bench.offer('token')]
  const before = bench.stack.calls.length
  expect(await identity.unseal(offer)).toBe(false)
  expect(bench.stack.calls.length).toBe(before)
  expect(identity.token()).toBe(token)
})

test('several doubts at once are one question', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
  await identity.start()
  const before = bench.stack.calls.length
  await Promise.all([identity.doubt(), identity.doubt(), identity.doubt()])
  expect(bench.stack.calls.slice(before)).toEqual(['GET auth/token/lookup-self'])
})

test('a Vault that never answers does not hold who closes, nor who waits for the login', async () => {
  const hangs = around(
    async ({ signal }) =>
      await new Promise((_, failed) => signal?.addEventListener('abort', () => failed(signal.reason), { once: true })),
  )
  const identity = bench.identityOf(await bench.appRole({}), hangs)
  const starting = identity.start()
  const began = performance.now()
  await identity.close()
  await starting
  expect(performance.now() - began).toBeLessThan(5_000)
  expect(identity.state).toMatchObject({ sealed: true, reason: 'shut down' })
})

async function wrappedRole(): Promise<Credentials & { kind: 'approle' }> {
  const credentials = await bench.appRole({ token_period: '1h' })
  const { vault, root } = bench.stack
  const path = 'auth/approle/role/server/secret-id'
  const secretId = (await vault.send({ method: 'POST', path, token: root, wrapTtl: '60s' }))?.wrap?.token
  return { ...credentials, secretId: secretId ?? expect.fail('not wrapped'), wrapped: true }
}

test('a SecretID that came wrapped is opened once, and logs in again and again', async () => {
  const identity = bench.identityOf(await wrappedRole())
  await identity.start()
  for (let n = 0; n < 3; n++) {
    await revokeSelf(bench.stack.vault, identity.token())
    bench.stack.dev.clock.advance(60_000)
    // found good a moment ago, it is not doubted: a renewal is what finds out
    await bench.elapse()
    expect(identity.state).toMatchObject({ sealed: false, method: 'approle' })
  }
})

/** Refused until it is told otherwise, and somebody unseals it meanwhile. */
async function helped(configured: Credentials, kind: 'wrapped-token' | 'userpass') {
  const state = { refused: false, userpass: 0 }
  const vault = around(async (call, answer) => {
    if (state.refused && call.path === 'auth/approle/login') throw refusal(call.path)
    if (state.userpass && call.path.startsWith('auth/userpass/login')) throw refusal(call.path, state.userpass)
    return await answer()
  })
  const identity = bench.identityOf(configured, vault)
  await identity.start()
  state.refused = true
  await revokeSelf(bench.stack.vault, identity.token())
  await identity.doubt()
  expect(identity.state).toMatchObject({ sealed: true, method: 'approle' })
  expect(await identity.unseal(await bench.offer(kind))).toBe(true)
  expect(identity.state).toMatchObject({ sealed: false, method: kind })
  return { identity, state }
}

test('what it was unsealed with has ended: at once it is back at what is configured, although that came wrapped', async () => {
  const { identity, state } = await helped(await wrappedRole(), 'wrapped-token')
  state.refused = false
  await revokeSelf(bench.stack.vault, identity.token())
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, method: 'approle' })
})

test('Vault is away when it logs in with what somebody unsealed it with: that is tried again, and not given up', async () => {
  const { identity, state } = await helped(await bench.appRole({ token_period: '1h' }), 'userpass')
  state.userpass = 503
  await revokeSelf(bench.stack.vault, identity.token())
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: true, method: 'userpass', next: { what: 'log in again' } })
  state.userpass = 0
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, method: 'userpass' })
})

test('a wrapped token that is configured, with Vault away: it is tried again', async () => {
  let away = true
  const vault = around(async (call, answer) => {
    if (away && call.path === 'sys/wrapping/unwrap') throw refusal(call.path, 503)
    return await answer()
  })
  const identity = bench.identityOf(await bench.offer('wrapped-token'), vault)
  await identity.start()
  expect(identity.state).toMatchObject({ sealed: true, next: { what: 'log in again' } })
  away = false
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, method: 'wrapped-token' })
})

test('a cubby that is configured and refused is not asked for ever', async () => {
  const identity = bench.identityOf({ kind: 'cubby', cubbyToken: new Secret('gone'), path: 'x' })
  await identity.start()
  expect(identity.state).toMatchObject({ sealed: true, next: null })
  expect(bench.planned).toBeNull()
})

test('while Vault is away the pauses grow', async () => {
  const identity = bench.identityOf(await bench.appRole({ token_period: '768h' }))
  await identity.start()
  bench.stack.dev.seal()
  await bench.elapse()
  const pauses = []
  for (let n = 0; n < 9; n++) pauses.push(await bench.elapse())
  expect(identity.state).toMatchObject({ phase: 'degraded' })
  expect(pauses[0]).toBeLessThanOrEqual(500)
  for (const pause of pauses.slice(7)) expect(pause).toBeGreaterThanOrEqual(15_000)
})

test('a look at a token that cannot be renewed finds it good still: there is another one', async () => {
  const identity = bench.identityOf(null)
  const wanted = { policies: ['default'], ttl: '1h', renewable: false }
  const { token: wrap } = await createWrappedToken(bench.stack.vault, bench.stack.root, wanted, 60)
  await identity.unseal({ kind: 'wrapped-token', wrap })
  for (let n = 0; n < 3; n++) {
    // Vault's clock is behind ours
    bench.stack.dev.clock.advance(600_000)
    const { action } = bench.planned ?? expect.fail('nothing is planned')
    bench.planned = null
    await action()
    expect(identity.state).toMatchObject({ sealed: false, phase: 'unsealed' })
    expect(bench.planned).toMatchObject({ ms: expect.closeTo(3_600_000 - (n + 1) * 600_000, -4) })
  }
})

describe('whoever listens hears of another token', () => {
  test('after each login, and after none that is the same', async () => {
    let heard = 0
    const identity = bench.identityOf(await bench.appRole({ token_period: '1h' }))
    identity.onToken(() => (heard += 1))
    await identity.start()
    expect(heard).toBe(1)
    await bench.elapse()
    expect(heard).toBe(1)
    await revokeSelf(bench.stack.vault, identity.token())
    await bench.elapse()
    expect(heard).toBe(2)
  })

  test('not when a token of its own only comes near its end', async () => {
    let heard = 0
    const identity = bench.identityOf(await maker())
    identity.onToken(() => (heard += 1))
    await identity.start()
    for (let n = 0; n < 10 && !identity.state.sealed; n++) await bench.elapse()
    expect(heard).toBe(1)
  })

  test('when it has made its successor; the one before, also one that it made itself, is revoked', async () => {
    let heard = 0
    // as where the administrator has set a maximum
    const vault = around(async (call, answer) => {
      if (call.path !== 'auth/token/create') return await answer()
      return await bench.stack.vault.send({ ...call, body: { ...(call.body as object), explicit_max_ttl: '20m' } })
    })
    const identity = bench.identityOf(await maker(), vault, { recreate: true })
    identity.onToken(() => (heard += 1))
    await identity.start()
    const tokens = [identity.token()]
    for (let n = 0; n < 40 && tokens.length < 4; n++) {
      await bench.elapse()
      if (identity.token() !== tokens.at(-1)) tokens.push(identity.token())
    }
    expect(heard).toBe(4)
    // as long as what it succeeds
    expect((await lookupSelf(bench.stack.vault, identity.token())).creationTtl).toBe(1_200)
    const [, second, third, fourth] = tokens
    for (const [token, alive] of [
      [second, false],
      [third, false],
      [fourth, true],
    ] as const)
      expect(await bench.alive(token ?? expect.fail('too few'))).toBe(alive)
  })
})

test('a successor that cannot be renewed is what it looks at from then on, and not the token before', async () => {
  const vault = around(async (call, answer) => {
    const found = await answer()
    if (call.path !== 'auth/token/create' || !found?.auth) return found
    return { ...found, auth: { ...found.auth, renewable: false } }
  })
  const first = await maker()
  const identity = bench.identityOf(first, vault, { recreate: true })
  await identity.start()
  for (let n = 0; n < 20 && identity.token() === first.token; n++) await bench.elapse()
  await revokeSelf(bench.stack.vault, first.token).catch(() => {})
  await bench.elapse()
  expect(identity.state).toMatchObject({ sealed: false, method: 'token' })
})
