import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startJobVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { SlowVault } from '../../test/slow-vault.ts'
import { Vault } from '../vault/client.ts'
import type { Secret } from '../vault/secret.ts'
import { Client, type ClientOptions } from './client.ts'

let t: TestVault
let fake: FakeServer
let requestor: Secret
const clients: Client[] = []

beforeAll(async () => {
  t = await startJobVault()
})
beforeEach(async () => {
  fake = await FakeServer.listen(response => json(response, 200, { _id: 'a'.repeat(24), status: 'queued' }))
  requestor = await t.token({ policies: ['all'], ttl: '1h' })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await fake.close()
})
afterAll(() => t.close())

function clientOf(more: Partial<ClientOptions> = {}): Client {
  const client = new Client({ server: fake.address, vault: t.vault, token: requestor, reconnectMs: 1, ...more })
  clients.push(client)
  return client
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('no error'),
    (error: Error) => error,
  )

/** Names of the tokens that a client has made and that live; authorities, which nobody but the server opens, are none of them. */
async function left(): Promise<string[]> {
  const listed = await t.vault.send({ method: 'LIST', path: 'auth/token/accessors/', token: t.root })
  const names = ((listed?.data?.keys ?? []) as string[]).map(async accessor => {
    const body = { accessor }
    const found = await t.vault.send({ method: 'POST', path: 'auth/token/lookup-accessor', token: t.root, body })
    return String(found?.data?.display_name)
  })
  return (await Promise.all(names)).filter(name => name.startsWith('token-writ'))
}

describe.each([
  ['the token for the server', /token.create/, 0],
  ['the token of the envelope', /token.create/, 1],
  ['the authority', /secret-id/, 0],
  ['the ciphertext', /encrypt/, 0],
  ['the envelope', /cubbyhole/, 0],
])('given up while Vault makes %s', (_what, path, skip) => {
  let slow: SlowVault
  let client: Client
  beforeEach(async () => {
    slow = await SlowVault.before(t.dev.address)
    const vault = new Vault({ address: slow.address })
    client = clientOf({ vault })
    return async () => {
      await client.close()
      await vault.close()
      await slow.close()
    }
  })

  test('by closing the client: no token is left over, and nothing is sent', async () => {
    const { held, release } = slow.hold(path, skip)
    const submitted = failureOf(client.submit({ run: ['true'] }))
    await held
    const closed = client.close()
    release()
    await closed
    expect(await submitted).toMatchObject({ name: 'ClientClosed' })
    expect(await left()).toEqual([])
    expect(fake.seen).toEqual([])
  })

  test('by a signal: no token of the envelope is left over, and nothing is sent', async () => {
    const { held, release } = slow.hold(path, skip)
    const leaving = new AbortController()
    const submitted = failureOf(client.submit({ run: ['true'] }, { signal: leaving.signal }))
    await held
    leaving.abort(new Error('enough'))
    release()
    expect(await submitted).toMatchObject({ message: 'enough' })
    expect((await left()).filter(name => name !== 'token-writ')).toEqual([])
    expect(fake.seen).toEqual([])
  })
})

test('given up while the server has it: no token is left over, and it cannot be delivered later', async () => {
  fake.answer = () => {}
  const client = clientOf()
  const submitted = failureOf(client.submit({ run: ['true'] }))
  await expect.poll(() => fake.seen.length).toBe(1)
  await client.close()
  expect(await submitted).toMatchObject({ name: 'ClientClosed' })
  expect(await left()).toEqual([])
})

test('an authority that is refused leaves no token of an envelope over', async () => {
  const client = clientOf({ jobRole: 'no-such-role' })
  await expect(client.submit({ run: ['true'] })).rejects.toMatchObject({ path: expect.stringContaining('secret-id') })
  expect((await left()).filter(name => name !== 'token-writ')).toEqual([])
})

test('a Vault whose answers do not end holds nobody up who wants to leave', { timeout: 60_000 }, async () => {
  const slow = await SlowVault.before(t.dev.address)
  const vault = new Vault({ address: slow.address })
  const client = clientOf({ vault })
  await client.submit({ run: ['true'] })
  slow.drip()
  await client.close()
  await vault.close()
  await slow.close()
})
