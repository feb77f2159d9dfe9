import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { loginAppRole, secretIdPath, unwrapSecretId, wrappedSecretId } from './approle.ts'
import { Vault } from './client.ts'
import { Secret } from './secret.ts'
import { lookupSelf } from './token.ts'
import { lookupWrap, unwrap } from './wrapping.ts'

let stack: TestVault
let roleId: string
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('sys/auth/approle', { type: 'approle' })
  await stack.write('auth/approle/role/app', { token_policies: ['default'], token_ttl: '5m', secret_id_num_uses: 1 })
  const { data } =
    (await stack.vault.send({ method: 'GET', path: 'auth/approle/role/app/role-id', token: stack.root })) ?? {}
  roleId = String(data?.role_id)
})
afterAll(() => stack.close())

const wrapped = (ttl = '1m') => wrappedSecretId(stack.vault, stack.root, 'app', ttl)

test('a wrap says where it comes from, as often as one looks, and is opened once', async () => {
  const wrap = await wrapped()
  expect(wrap).toMatchObject({ ttl: 60, creationPath: secretIdPath('app') })
  for (let n = 0; n < 3; n++) {
    expect(await lookupWrap(stack.vault, wrap.token)).toEqual({ creationPath: secretIdPath('app'), ttl: 60 })
  }
  const secretId = await unwrapSecretId(stack.vault, wrap.token)
  expect(secretId.reveal()).toMatch(/^[0-9a-f-]{36}$/)
  await expect(unwrap(stack.vault, wrap.token)).rejects.toMatchObject({ kind: 'denied' })
  await expect(lookupWrap(stack.vault, wrap.token)).rejects.toMatchObject({ kind: 'denied' })
})

test('a wrap that has ended, and one that never was', async () => {
  const wrap = await wrapped('30s')
  stack.dev.clock.advance(31_000)
  for (const token of [wrap.token, new Secret('s.doesnotexist0000000000'), new Secret('garbage')]) {
    await expect(lookupWrap(stack.vault, token)).rejects.toMatchObject({ kind: 'denied' })
    await expect(unwrap(stack.vault, token)).rejects.toMatchObject({ kind: 'denied' })
  }
})

test('a forged wrap shows another path', async () => {
  const answer = await stack.vault.send({
    method: 'POST',
    path: 'sys/wrapping/wrap',
    token: stack.root,
    body: { secret_id: 'stolen' },
    wrapTtl: '60',
  })
  const token = answer?.wrap?.token ?? new Secret('')
  expect((await lookupWrap(stack.vault, token)).creationPath).toBe('sys/wrapping/wrap')
})

test('what is wrapped and holds no SecretID is refused as no text', async () => {
  const answer = await stack.vault.send({
    method: 'POST',
    path: 'sys/wrapping/wrap',
    token: stack.root,
    body: { other: 'x' },
    wrapTtl: '60',
  })
  await expect(unwrapSecretId(stack.vault, answer?.wrap?.token ?? new Secret(''))).rejects.toThrow(TypeError)
})

test('both halves open Vault, once', async () => {
  const secretId = await unwrapSecretId(stack.vault, (await wrapped()).token)
  const auth = await loginAppRole(stack.vault, { roleId, secretId })
  expect(auth).toMatchObject({ leaseSeconds: 300, policies: ['default'], renewable: true })
  expect((await lookupSelf(stack.vault, auth.token)).entityId).toBe(auth.entityId)
  await expect(loginAppRole(stack.vault, { roleId, secretId })).rejects.toMatchObject({ kind: 'invalid' })
})

test('one half opens nothing', async () => {
  const secretId = await unwrapSecretId(stack.vault, (await wrapped()).token)
  await expect(loginAppRole(stack.vault, { roleId: 'other', secretId })).rejects.toMatchObject({ kind: 'invalid' })
  const wrong = { roleId, secretId: new Secret('wrong') }
  await expect(loginAppRole(stack.vault, wrong)).rejects.toMatchObject({ kind: 'invalid' })
})

test('an answer that should be wrapped and is not', async () => {
  const fake = await FakeServer.listen(response => json(response, 200, { data: { secret_id: 'in clear' } }))
  const vault = new Vault({ address: fake.address })
  const error = await wrappedSecretId(vault, stack.root, 'app', '1m').catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ kind: 'unavailable', errors: ['an answer that is not wrapped'] })
  expect(String(error)).not.toContain('in clear')
  await expect(lookupWrap(vault, stack.root)).rejects.toMatchObject({ name: 'VaultError', kind: 'unavailable' })
  await vault.close()
  await fake.close()
})
