import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateApp } from '../../../../test/gate-app.ts'
import { Secret } from '../../../vault/secret.ts'
import { lookupSelf } from '../../../vault/token.ts'

/**
 * What the two Go client libraries of vault-gatekeeper read of an answer, and do with it (gatekeeper.md §11): a member of another type than
 * they want ends the call, statuses of HTTP are ignored, and whatever else there is too.
 */

type Wire = 'v1' | 'v2'
type Kind = 'string' | 'boolean' | 'object'
const TOKEN: Record<Wire, Record<string, Kind>> = {
  v1: { ok: 'boolean', token: 'string', status: 'string', error: 'string' },
  v2: { unsealed: 'boolean', token: 'string', ttl: 'string', vault_addr: 'string' },
}
/** Of both libraries, which speak version 1 here. */
const STATUS: Record<string, Kind> = {
  ok: 'boolean',
  started: 'string',
  status: 'string',
  uptime: 'string',
  stats: 'object',
}
const TOLD: Record<string, Kind> = { ok: 'boolean', status: 'string', error: 'string' }

let stack: Awaited<ReturnType<typeof startGateApp>>
let gate: string
beforeAll(async () => {
  const policies = { '*': { policies: ['default'], ttl: 600 } }
  stack = await startGateApp({ legacyAdmin: true }, { sealed: true, policies })
  await stack.app.listen({ host: '127.0.0.1', port: 0 })
  gate = `http://127.0.0.1:${(stack.app.server.address() as AddressInfo).port}`
})
afterAll(() => stack.close())

/** As Go decodes into a struct: what is missing is its zero, what is of another type is an error. */
function decode(text: string, wanted: Record<string, Kind>): Record<string, unknown> {
  const found = JSON.parse(text) as Record<string, unknown>
  const zero = { string: '', boolean: false, object: null }
  return Object.fromEntries(
    Object.entries(wanted).map(([key, kind]) => {
      const value = found[key] ?? zero[kind]
      if (value !== null && typeof value !== kind) throw new Error(`cannot unmarshal ${key}`)
      return [key, value]
    }),
  )
}

async function post(path: string, body?: unknown, wanted = TOLD): Promise<Record<string, unknown>> {
  const headers = { 'content-type': 'application/json', connection: 'close' }
  const payload = body === undefined ? {} : { body: JSON.stringify(body) }
  return decode(await (await fetch(gate + path, { method: 'POST', headers, ...payload })).text(), wanted)
}

async function status(): Promise<Record<string, unknown>> {
  return decode(await (await fetch(`${gate}/status.json`)).text(), STATUS)
}

/** With every key that there is, most of them empty. */
const UNSEAL = Object.fromEntries(
  'type token cubby_path username password app_id user_id_method user_id_interface user_id_path user_id_hash user_id_salt'
    .split(' ')
    .map(key => [key, '']),
)

async function requestVaultToken(wire: Wire, id: string): Promise<string> {
  const { ok, token, error } = await post('/token', { task_id: id }, TOKEN[wire])
  if (wire === 'v1' && !ok) throw new Error(String(error))
  // it takes the address of its own environment, and not the one that it is told
  const address = `${stack.bench.stack.vault.address}/v1/cubbyhole/response`
  const answer = await fetch(address, { headers: { 'x-vault-token': String(token) } })
  const told = (await answer.json()) as { errors?: string[]; data?: { response: string } }
  if (answer.status !== 200) throw new Error(`${answer.status}: ${told.errors?.join(', ')}`)
  return JSON.parse(told.data?.response ?? '').auth.client_token
}

describe('sealed', () => {
  test('GetStatus and IsSealed', async () => {
    expect(await status()).toMatchObject({ ok: true, status: 'Sealed', stats: expect.any(Object) })
  })

  test('ReloadPolicies hears why not', async () => {
    expect(await post('/policies/reload')).toMatchObject({ ok: false, error: 'Gatekeeper is sealed.' })
  })

  test.each<[Wire, string]>([
    ['v1', 'Gatekeeper is sealed.'],
    ['v2', '400: missing client token'],
  ])('RequestVaultToken of %s: %s', async (wire, error) => {
    await expect(requestVaultToken(wire, 'early')).rejects.toThrow(error)
  })

  test('Unseal, with all keys of version 1, empty ones too', async () => {
    expect(await post('/unseal', { ...UNSEAL, type: 'token', token: 'bad' })).toMatchObject({
      ok: false,
      error: '403: permission denied',
    })
    const good = await post('/unseal', { ...UNSEAL, type: 'token', token: stack.bench.stack.root.reveal() })
    expect(good).toMatchObject({ ok: true, status: 'Unsealed', error: '' })
  })
})

describe('unsealed', () => {
  test('GetStatus and IsSealed: the status is one of two words', async () => {
    expect(await status()).toMatchObject({ ok: true, status: 'Unsealed' })
  })

  test('ReloadPolicies', async () => {
    expect(await post('/policies/reload')).toMatchObject({ ok: true, error: '' })
  })

  // the test of vault-gatekeeper's own client: a task of a random id, and a token that Vault knows (§18.1)
  test.each<Wire>(['v1', 'v2'])('RequestVaultToken of %s opens its token by the old path', async wire => {
    const id = `${wire}-abcdefghijklmnopqrstuvwxyzabcd`
    stack.bench.scheduler.tasks.set(id, {})
    const token = new Secret(await requestVaultToken(wire, id))
    expect((await lookupSelf(stack.bench.stack.vault, token)).policies).toContain('default')
  })

  test.each<[Wire, string]>([
    ['v1', 'This task has already been given a token.'],
    ['v2', '400: missing client token'],
  ])('RequestVaultToken of %s for a task that has had it: %s', async (wire, error) => {
    await expect(requestVaultToken(wire, `${wire}-abcdefghijklmnopqrstuvwxyzabcd`)).rejects.toThrow(error)
  })

  test.each([
    ['/token', { task_id: 'nobody' }],
    ['/token', { task_id: 7 }],
    ['/unseal', { type: 'zzz' }],
    ['/unseal', { method: 'zzz' }],
  ])('whatever %s refuses is read by both: %j', async (path, body) => {
    for (const wanted of [TOKEN.v1, TOKEN.v2, TOLD]) {
      const { ok = false, token = '', error } = await post(path, body, wanted)
      expect({ ok, token }).toEqual({ ok: false, token: '' })
      if ('error' in wanted) expect(error).not.toBe('')
    }
  })

  test('sealing is read too', async () => {
    expect(await post('/seal', {})).toMatchObject({ ok: true, status: 'Sealed', error: '' })
    expect(await status()).toMatchObject({ status: 'Sealed' })
  })
})
