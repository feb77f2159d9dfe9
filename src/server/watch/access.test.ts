import { expect, test } from 'vitest'
import { VaultError } from '../../vault/error.ts'
import { accessError, readAccess } from './access.ts'
import { Fields } from './fields.ts'

const GOOD = {
  vault_addr: 'https://vault.example:8200',
  vault_tls_server_name: 'vault',
  vault_cacert: '',
  role_name: 'deploy',
  role_id: 'r',
  secret_id: 's',
  secret_id_ttl: '120s',
  approle_mount_point: 'approle',
}
const read = (change: object) => readAccess(new Fields({ ...GOOD, ...change }))

test('what is good, with the least life of a SecretID, and mounts as people write them', () => {
  const { access, secretId } = read({})
  expect(access).toMatchObject({ vault_addr: GOOD.vault_addr, secret_id_ttl: 120, approle_mount_point: 'approle' })
  expect(secretId.reveal()).toBe('s')
  expect(JSON.stringify(access)).not.toContain('secret_id"')
  for (const [written, mount] of [
    ['auth/approle', 'approle'],
    ['/auth/approle/', 'approle'],
    ['team/a', 'team/a'],
  ])
    expect(read({ approle_mount_point: written }).access.approle_mount_point).toBe(mount)
  const pem = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n'
  expect(read({ vault_addr: 'http://v', vault_cacert: pem }).access).toMatchObject({ vault_cacert: pem })
})

test.each(Object.keys(GOOD).filter(name => name !== 'vault_cacert'))('%s must be there', name => {
  expect(() => read({ [name]: '' })).toThrow(expect.objectContaining({ code: 'watch_field_invalid' }))
})

test.each<[string, string | number]>([
  ['vault_addr', 'vault:8200'],
  ['vault_addr', 'ftp://vault'],
  ['vault_addr', 'file:///etc/passwd'],
  ['vault_addr', 'https://u@vault'],
  ['vault_addr', 'https://:p@vault'],
  ['vault_addr', 'https://vault/?x=1'],
  ['vault_addr', 'https://vault/#x'],
  ['vault_cacert', 'no certificate'],
  ['secret_id_ttl', 119],
  ['role_name', '..'],
  ['role_name', 'a/b'],
  ['role_name', 'a b'],
  ['approle_mount_point', 'a/../b'],
  ['approle_mount_point', 'a//b'],
  ['approle_mount_point', '/auth/'],
  ['approle_mount_point', 'a?b'],
])('%s %j is refused', (name, value) => {
  expect(() => read({ [name]: value })).toThrow(expect.objectContaining({ code: 'watch_field_invalid' }))
})

test('a Vault that is away is waited for, one that refuses is not; what is no answer of Vault stays what it is', () => {
  const of = (status: number) => accessError(new VaultError({ status, path: 'p', errors: ['why'] }))
  expect(of(503)).toMatchObject({ code: 'watch_vault_unavailable' })
  expect(of(0)).toMatchObject({ code: 'watch_vault_unavailable' })
  expect(of(403)).toMatchObject({ code: 'watch_access_failed', detail: 'Vault 403 on p: why' })
  const other = new Error('x')
  expect(accessError(other)).toBe(other)
})
