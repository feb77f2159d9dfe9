import { describe, expect, test } from 'vitest'
import { gateWire, refused } from '../../../../test/gate-wire.ts'
import { lookupSelf } from '../../../vault/token.ts'

/** Facts of unsealing and sealing in version 1 (gatekeeper.md §2.3, §2.4 and §5). */
const gate = gateWire()
const { start, post, get, told, root } = gate

describe('/unseal', () => {
  const mounted = async (type: string) => await gate.stack.bench.stack.write(`sys/auth/${type}`, { type })
  const wrap = async () => {
    const { vault, root: token } = gate.stack.bench.stack
    const body = { no: 'token' }
    const answer = await vault.send({ method: 'POST', path: 'sys/wrapping/wrap', token, body, wrapTtl: '60s' })
    return answer?.wrap?.token.reveal() ?? expect.fail('not wrapped')
  }
  const appId = { type: 'app-id', app_id: 'a', user_id_method: 'mac', user_id_interface: 'lo' }

  const REFUSALS: [string, () => Promise<object>, string][] = [
    ['a wrap without a token', async () => ({ type: 'wrapped-token', token: await wrap() }), 'Invalid wrapped token.'],
    [
      'a cubby without a token',
      async () => {
        const cubby = await gate.stack.bench.stack.token({ policies: ['default'], ttl: '1h' })
        const path = 'cubbyhole/vault-token'
        await gate.stack.bench.stack.vault.send({ method: 'POST', path, token: cubby, body: { other: 'x' } })
        return { type: 'cubby', token: cubby.reveal() }
      },
      'Invalid token in cubby.',
    ],
    ['a cubby that is empty', async () => ({ type: 'cubby', token: root(), cubby_path: 'none' }), '404: '],
    [
      'an unknown way to a user id',
      async () => ({ ...appId, user_id_method: 'zz' }),
      'Unknown method specified for user id.',
    ],
    ['an unknown hash', async () => ({ ...appId, user_id_hash: 'crc' }), 'Unknown hash method specified for user id.'],
    [
      'a wrong password',
      async () => {
        await mounted('userpass')
        return { type: 'userpass', username: 'ann', password: 'x' }
      },
      '400: invalid username or password',
    ],
    ['a token that is none', async () => ({ type: 'token', token: 'x' }), '403: permission denied'],
  ]
  test.each(REFUSALS)('%s: 403, and why', async (_, make, error) => {
    await start({}, { sealed: true })
    expect(await told(post('/unseal', await make()))).toEqual(refused(403, error, 'Sealed'))
  })

  test('policies that are no good: what unseals says so, and it stays sealed', async () => {
    await start({}, { sealed: true, policies: { a: { policies: 'text' } } })
    const unseal = { type: 'token', token: root() }
    expect(await told(post('/unseal', unseal))).toEqual(
      refused(403, expect.stringContaining('"a"."policies"'), 'Sealed'),
    )
    await gate.stack.bench.stack.vault.send({
      method: 'DELETE',
      path: 'secret/metadata/gatekeeper',
      token: gate.stack.bench.stack.root,
    })
    const none = expect.stringContaining('no policies')
    expect(await told(post('/unseal', unseal))).toEqual(refused(403, none, 'Sealed'))
  })

  test('unsealed already: what is offered is not tried', async () => {
    await start({})
    const before = gate.stack.bench.stack.calls.length
    for (const offered of [
      { type: 'token', token: 'bad' },
      { type: 'wrapped-token', token: 'bad' },
    ]) {
      expect(await told(post('/unseal', offered))).toEqual({
        code: 200,
        status: 'Unsealed',
        ok: true,
        error: 'Already unsealed.',
      })
    }
    expect(gate.stack.bench.stack.calls).toHaveLength(before)
  })

  test.each([
    ['v1', { type: 'token' }],
    ['v2', { method: 'token' }],
  ] as const)('while Vault is away it is an outage, and no wrong credential: %s', async (wire, method) => {
    await start({ wire }, { sealed: true })
    const { dev } = gate.stack.bench.stack
    const ask = async (token: string) => {
      const { statusCode, json } = await post('/unseal', { ...method, token })
      return [statusCode, json().ok, json().code]
    }
    dev.seal()
    expect(await ask(root())).toEqual([503, false, 'vault_unavailable'])
    dev.unseal()
    expect(await ask('bad')).toEqual([wire === 'v1' ? 403 : 401, false, 'login_refused'])
    expect(await ask(root())).toEqual([200, true, undefined])
    await post('/seal')
    await dev.close()
    expect(await ask(root())).toEqual([503, false, 'vault_unavailable'])
    expect(gate.stack.bench.identity.state.sealed).toBe(true)
  })

  test('while Vault does not answer: the state is told, tokens are refused and a seal is done, at once', async () => {
    await start({}, { sealed: true })
    const { vault } = gate.stack.bench.stack
    const held = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    const send = vault.send.bind(vault)
    vault.send = async call => {
      reached.resolve()
      await held.promise
      return await send(call)
    }
    const unseal = post('/unseal', { type: 'token', token: root() })
    await reached.promise
    expect((await get('/status.json')).json()).toMatchObject({ status: 'Sealed' })
    expect(await told(post('/token', { task_id: 't' }))).toEqual(refused(503, 'Gatekeeper is sealed.', 'Sealed'))
    expect((await post('/seal')).statusCode).toBe(200)
    held.resolve()
    // and what was sealed meanwhile stays so
    expect((await unseal).json()).toMatchObject({ ok: false, status: 'Sealed' })
  })
})

test('a seal keeps the policies and what was given, and leaves a token alone that somebody gave', async () => {
  await start({}, { sealed: true })
  const { stack: vault, scheduler } = gate.stack.bench
  await vault.write('sys/policies/acl/gate', {
    policy:
      'path "secret/*" { capabilities = ["read"] }\npath "auth/token/create" { capabilities = ["update", "sudo"] }',
  })
  const token = await vault.token({ policies: ['gate', 'default'], ttl: '1h' })
  const unseal = { type: 'token', token: token.reveal() }
  expect((await post('/unseal', unseal)).statusCode).toBe(200)
  scheduler.tasks.set('t', {})
  expect((await post('/token', { task_id: 't' })).statusCode).toBe(200)
  expect((await post('/seal')).statusCode).toBe(200)
  expect((await get('/status.json')).json()).toMatchObject({ status: 'Sealed', policies: 1 })
  expect((await lookupSelf(vault.vault, token)).ttl).toBeGreaterThan(0)
  expect((await post('/unseal', unseal)).statusCode).toBe(200)
  const again = refused(403, 'This task has already been given a token.')
  expect(await told(post('/token', { task_id: 't' }))).toEqual(again)
})
