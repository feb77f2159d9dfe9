import { expect, test } from 'vitest'
import { isVaultError, refusedHere, shortReason, VaultError, type VaultErrorKind } from './error.ts'

test.each<[number, string[], VaultErrorKind]>([
  [0, ['ECONNREFUSED'], 'unavailable'],
  [302, [], 'unavailable'],
  [400, ['missing role_id'], 'invalid'],
  [400, ['wrapping token is not valid or does not exist'], 'denied'],
  [403, ['permission denied'], 'denied'],
  [404, [], 'not_found'],
  [405, ['unsupported operation'], 'invalid'],
  [412, ['required index state not present'], 'unavailable'],
  [413, [], 'invalid'],
  [429, ['request path is rate limited'], 'unavailable'],
  [472, [], 'unavailable'],
  [473, [], 'unavailable'],
  [500, ['internal error'], 'unavailable'],
  [503, ['Vault is sealed'], 'unavailable'],
])('%i %j is %s', (status, errors, kind) => {
  const error = new VaultError({ status, path: 'sys/x', errors })
  expect(error.kind).toBe(kind)
  expect(isVaultError(error, kind)).toBe(true)
  expect(isVaultError(error)).toBe(true)
})

test('other errors are none of Vault, and another kind is not asked for', () => {
  expect(isVaultError(new Error('x'))).toBe(false)
  expect(isVaultError(new VaultError({ status: 403, path: 'p', errors: [] }), 'invalid', 'not_found')).toBe(false)
})

test('the message says status, path and what Vault said', () => {
  expect(new VaultError({ status: 403, path: 'kv/a', errors: ['one', 'two'] }).message).toBe(
    'Vault 403 on kv/a: one; two',
  )
  expect(new VaultError({ status: 0, path: 'kv/a', errors: [] }).message).toBe(
    'Vault did not answer on kv/a: no reason given',
  )
})

test('in short: the status and what Vault said, or what was found out here', () => {
  const vault = (status: number, ...errors: string[]) => new VaultError({ status, path: 'kv/a', errors })
  expect(shortReason(vault(403, 'permission denied'))).toBe('403: permission denied')
  expect(shortReason(vault(400, 'one', '1 error occurred:\n\t* two\n\n'))).toBe('400: one, two')
  expect(shortReason(vault(404))).toBe('404: ')
  const ours = refusedHere('kv/a', 'Not so.')
  expect([shortReason(ours), ours.message, ours.kind]).toEqual(['Not so.', 'kv/a: Not so.', 'invalid'])
})

test('of its words no more is kept than is read', () => {
  const errors = Array.from({ length: 1_000 }, () => 'x'.repeat(100_000))
  const error = new VaultError({ status: 400, path: 'kv/a', errors })
  expect(error.message.length).toBeLessThan(40_000)
  expect(error.errors.every(text => text.length <= 2_048)).toBe(true)
})
