import { describe, expect, test } from 'vitest'
import type { Vault } from '../../../vault/client.ts'
import { VaultError } from '../../../vault/error.ts'
import { parseResponse, type VaultResponse } from '../../../vault/response.ts'
import { Secret } from '../../../vault/secret.ts'
import { byCubby } from './cubby.ts'
import { byUserpass } from './userpass.ts'
import { byWrappedToken } from './wrapped-token.ts'

/** A Vault that answers by the path, or refuses with a status; and what it was asked. */
function told(answers: Readonly<Record<string, object | number>>) {
  const asked: string[] = []
  const send = async ({ path }: { path: string }): Promise<VaultResponse | null> => {
    asked.push(path)
    const found = answers[path] ?? 404
    if (typeof found === 'number') throw new VaultError({ status: found, path, errors: ['permission denied'] })
    return parseResponse(found)
  }
  return { vault: { send } as unknown as Vault, asked }
}

const auth = (client_token: string) => ({ auth: { client_token, accessor: 'a', lease_duration: 60, renewable: true } })
const life = { data: { accessor: 'a', ttl: 60, renewable: true } }

describe('a name in a path', () => {
  const user = (username: string) => ({ kind: 'userpass', username, password: new Secret('p') }) as const

  test.each(['', '.', '..', '...', 'a/b', 'a\nb', 'a\0', 'a\u202eb', 'a\ud800', 'a'.repeat(257)])(
    '%j is none: Vault is not asked',
    async name => {
      const { vault, asked } = told({})
      await expect(byUserpass(vault, user(name))).rejects.toMatchObject({ kind: 'invalid', ours: true })
      expect(asked).toEqual([])
    },
  )

  test.each(['ann', 'a.b', '..a', 'a'.repeat(256), 'Ünï c@de'])('%j is one', async name => {
    const { vault, asked } = told({ [`auth/userpass/login/${name}`]: auth('t') })
    expect((await byUserpass(vault, user(name))).token.reveal()).toBe('t')
    expect(asked).toEqual([`auth/userpass/login/${name}`])
  })

  test('is not repeated by a refusal, which anybody may read', async () => {
    const { vault } = told({})
    const error = await byUserpass(vault, user('correct-horse')).catch((refused: unknown) => refused)
    expect(error).toMatchObject({ kind: 'not_found', path: 'auth/userpass/login' })
    expect(JSON.stringify(error) + String(error)).not.toContain('correct-horse')
  })
})

describe('a token in a cubbyhole', () => {
  const cubby = { kind: 'cubby', cubbyToken: new Secret('c'), path: '/vault-token' } as const
  const hole = (token: unknown) => ({ 'cubbyhole/vault-token': { data: { token } }, 'auth/token/lookup-self': life })

  test.each(['', 7, null, undefined, ['t']])('that is %j is none', async token => {
    await expect(byCubby(told(hole(token)).vault, cubby)).rejects.toMatchObject({ errors: ['Invalid token in cubby.'] })
  })

  test('is ours, and the cubby is emptied; one that cannot be costs nothing', async () => {
    for (const status of [403, 503]) {
      const { vault, asked } = told({ ...hole('t'), 'auth/token/revoke-self': status })
      const found = await byCubby(vault, cubby)
      expect(found).toMatchObject({ ours: true, again: null, leaseSeconds: 60 })
      expect(asked).toEqual(['cubbyhole/vault-token', 'auth/token/lookup-self', 'auth/token/revoke-self'])
    }
  })
})

describe('a wrapped token', () => {
  const wrapped = { kind: 'wrapped-token', wrap: new Secret('w') } as const

  test.each([{}, { data: {} }, auth('')])('of which the wrap holds %j is none', async inside => {
    const { vault } = told({ 'sys/wrapping/unwrap': inside, 'auth/token/lookup-self': life })
    await expect(byWrappedToken(vault, wrapped)).rejects.toMatchObject({ errors: ['Invalid wrapped token.'] })
  })

  test('that Vault does not know when it is looked at is none; where Vault is away, it is found out later', async () => {
    const { vault } = told({ 'sys/wrapping/unwrap': auth('t'), 'auth/token/lookup-self': 403 })
    await expect(byWrappedToken(vault, wrapped)).rejects.toMatchObject({ kind: 'denied' })
    const away = told({ 'sys/wrapping/unwrap': auth('t'), 'auth/token/lookup-self': 503 })
    expect(await byWrappedToken(away.vault, wrapped)).toMatchObject({ leaseSeconds: 1, renewable: true, ours: true })
  })
})
