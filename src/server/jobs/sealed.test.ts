import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import { Identity } from '../identity/identity.ts'
import type { Engine } from './engine.ts'
import { seal, unseal } from './sealed.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())

test('what is sealed opens again, in order, and cannot be read without Vault', async () => {
  const texts = ['{"image":"b"}', 'hvs.canary ünï 🌍', '']
  const sealed = await seal(t.engine, texts)
  expect(sealed.join()).not.toContain('canary')
  expect(await unseal(t.engine, sealed)).toEqual(texts)
})

test('another key, or none: unreadable for good', async () => {
  const sealed = await seal(t.engine, ['text'])
  await t.stack.write('transit/keys/other', {})
  const other = { ...t.engine, settings: { ...t.engine.settings, serverKey: 'other' } }
  await expect(unseal(other, sealed)).rejects.toMatchObject({ code: 'order_unreadable' })
  await expect(unseal(t.engine, ['', 'garbage'])).rejects.toMatchObject({ code: 'order_unreadable' })
})

test('Vault away: not now', async () => {
  const sealed = await seal(t.engine, ['text'])
  t.stack.dev.seal()
  await expect(unseal(t.engine, sealed)).rejects.toMatchObject({ code: 'vault_unavailable' })
  await expect(seal(t.engine, ['text'])).rejects.toMatchObject({ code: 'vault_unavailable' })
  t.stack.dev.unseal()
})

test("the server's token is revoked under it: refused, noticed, and good again by itself", async () => {
  await t.stack.write('sys/auth/approle', { type: 'approle' })
  await t.stack.write('sys/policies/acl/server', {
    policy: 'path "transit/*" { capabilities = ["update"] }',
  })
  await t.stack.write('auth/approle/role/server', { token_policies: ['server'], token_period: '1h', role_id: 'server' })
  await t.stack.write('auth/approle/role/server/role-id', { role_id: 'server' })
  const answer = await t.stack.vault.send({
    method: 'POST',
    path: 'auth/approle/role/server/secret-id',
    token: t.stack.root,
  })
  const secretId = new Secret(String(answer?.data?.secret_id))
  const identity = new Identity(t.stack.vault, { kind: 'approle', roleId: 'server', secretId }, t.engine.log)
  await identity.start()
  const engine: Engine = { ...t.engine, identity }
  await revokeSelf(t.stack.vault, identity.token())
  await expect(seal(engine, ['text'])).rejects.toMatchObject({ code: 'server_sealed' })
  await expect
    .poll(() =>
      seal(engine, ['text']).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true)
  await identity.close()
})
