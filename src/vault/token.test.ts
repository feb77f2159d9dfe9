import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { Vault } from './client.ts'
import { Secret } from './secret.ts'
import { createToken, lookupSelf, renewAccessor, renewSelf, revokeAccessor, revokeSelf } from './token.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
})
afterAll(() => stack.close())

test('a root token: no identity, no end', async () => {
  expect(await lookupSelf(stack.vault, stack.root)).toMatchObject({
    displayName: 'root',
    entityId: '',
    policies: ['root'],
    ttl: 0,
    renewable: false,
  })
})

test('what was asked for is what is made', async () => {
  const made = await createToken(stack.vault, stack.root, {
    policies: ['default'],
    ttl: '90s',
    num_uses: 2,
    display_name: 'unit',
  })
  expect(made).toMatchObject({ policies: ['default'], leaseSeconds: 90, renewable: true, entityId: '' })
  const facts = await lookupSelf(stack.vault, made.token)
  expect(facts).toMatchObject({ accessor: made.accessor, displayName: 'token-unit', policies: ['default'] })
  expect(facts.ttl).toBeGreaterThan(85)
  await lookupSelf(stack.vault, made.token)
  await expect(lookupSelf(stack.vault, made.token)).rejects.toMatchObject({ kind: 'denied' })
})

test('a token in the last second of its life has not become one without an end', async () => {
  const token = await stack.token({ policies: ['default'], ttl: '10s' })
  stack.dev.clock.advance(9_300)
  expect((await lookupSelf(stack.vault, token)).ttl).toBeGreaterThan(0)
})

test('renewal extends, by oneself or by accessor, and by accessor spends no use', async () => {
  const made = await createToken(stack.vault, stack.root, { policies: ['default'], ttl: '60s', num_uses: 2 })
  stack.dev.clock.advance(40_000)
  expect(await renewAccessor(stack.vault, stack.root, made.accessor)).toBe(60)
  stack.dev.clock.advance(40_000)
  expect((await renewSelf(stack.vault, made.token)).leaseSeconds).toBe(60)
  stack.dev.clock.advance(40_000)
  expect((await lookupSelf(stack.vault, made.token)).accessor).toBe(made.accessor)
  await expect(lookupSelf(stack.vault, made.token)).rejects.toMatchObject({ kind: 'denied' })
})

test('a token that has ended cannot be renewed', async () => {
  const made = await createToken(stack.vault, stack.root, { policies: ['default'], ttl: '60s' })
  stack.dev.clock.advance(61_000)
  await expect(renewSelf(stack.vault, made.token)).rejects.toMatchObject({ kind: 'denied' })
  await expect(renewAccessor(stack.vault, stack.root, made.accessor)).rejects.toMatchObject({
    kind: expect.stringMatching(/invalid|denied/),
  })
})

test('revoking ends it and its children; what is gone already is no error', async () => {
  const parent = await createToken(stack.vault, stack.root, { policies: ['root'] })
  const child = await createToken(stack.vault, parent.token, { policies: ['default'] })
  await revokeSelf(stack.vault, parent.token)
  for (const gone of [parent, child]) {
    await expect(lookupSelf(stack.vault, gone.token)).rejects.toMatchObject({ kind: 'denied' })
    await revokeSelf(stack.vault, gone.token)
    await revokeAccessor(stack.vault, stack.root, gone.accessor)
  }
})

test('revoking by accessor', async () => {
  const made = await createToken(stack.vault, stack.root, { policies: ['default'] })
  await revokeAccessor(stack.vault, stack.root, made.accessor)
  await expect(lookupSelf(stack.vault, made.token)).rejects.toMatchObject({ kind: 'denied' })
})

test('who may not revoke is told so, and so is who cannot reach Vault', async () => {
  const victim = await createToken(stack.vault, stack.root, { policies: ['default'] })
  const weak = await stack.token({ policies: ['default'] })
  await expect(revokeAccessor(stack.vault, weak, victim.accessor)).rejects.toMatchObject({ kind: 'denied' })
  stack.dev.seal()
  try {
    await expect(revokeSelf(stack.vault, victim.token)).rejects.toMatchObject({ kind: 'unavailable' })
    await expect(revokeAccessor(stack.vault, stack.root, victim.accessor)).rejects.toMatchObject({
      kind: 'unavailable',
    })
  } finally {
    stack.dev.unseal()
  }
  await lookupSelf(stack.vault, victim.token)
})

test.each([
  {},
  { data: null },
  { data: {} },
  { data: { accessor: 7, ttl: 1 } },
  { data: { accessor: 'a', ttl: '1h' } },
  { auth: { client_token: 't' } },
])('an answer that is not what was asked for (%j) is no answer of Vault', async body => {
  const fake = await FakeServer.listen(response => json(response, 200, body))
  const vault = new Vault({ address: fake.address, retry: { retries: 0, firstDelayMs: 1 } })
  const token = new Secret('t')
  try {
    for (const call of [
      () => lookupSelf(vault, token),
      () => renewSelf(vault, token),
      () => renewAccessor(vault, token, 'a'),
      () => createToken(vault, token, { policies: [] }),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: 'VaultError', kind: 'unavailable' })
    }
  } finally {
    await vault.close()
    await fake.close()
  }
})
