import { afterAll, beforeAll, expect, test } from 'vitest'
import { GateBench } from '../../../test/gate.ts'
import { requireAbility } from './ability.ts'
import { readPolicies } from './policies/read.ts'

let bench: GateBench
beforeAll(async () => {
  bench = await GateBench.start({ sealed: true })
})
afterAll(() => bench.close())

const TOKENS = { '*': { policies: ['default'], ttl: 60 } }
const ROLES = { 'mesos:*': { roles: ['app', 'other'], num_uses: 1 } }
const BY_NAME = { 'mesos:*': { roles: ['{{name}}'], num_uses: 1 } }

async function able(policies: object, rules: string | null, approleMount = 'approle'): Promise<boolean> {
  const { stack, gate } = bench
  if (rules !== null) await stack.write('sys/policies/acl/asked', { policy: rules })
  const token = rules === null ? stack.root : await stack.token({ policies: ['asked', 'default'], ttl: '1h' })
  const { set } = readPolicies(policies, { renewable: true })
  const settings = { ...gate.parts.settings, approleMount }
  return await requireAbility(stack.vault, token, set ?? expect.fail(), settings, AbortSignal.timeout(10_000)).then(
    () => true,
    error => {
      expect(error).toMatchObject({ code: 'login_weak' })
      return false
    },
  )
}
const rule = (path: string, ...list: string[]) =>
  `path "${path}" { capabilities = [${list.map(one => `"${one}"`).join(', ')}] }`

test.each<[string, object, string | null, boolean, string?]>([
  ['root, of tokens', TOKENS, null, true],
  ['root, of roles', ROLES, null, true],
  ['update and sudo', TOKENS, rule('auth/token/create', 'update', 'sudo'), true],
  ['update alone', TOKENS, rule('auth/token/create', 'update'), false],
  ['sudo alone', TOKENS, rule('auth/token/create', 'sudo'), false],
  ['create and sudo', TOKENS, rule('auth/token/create', 'create', 'sudo'), false],
  ['one of the roles', ROLES, rule('auth/approle/role/other/secret-id', 'update'), true],
  ['none of the roles', ROLES, rule('auth/approle/role/third/secret-id', 'update'), false],
  ['a role that it may read', ROLES, rule('auth/approle/role/app/secret-id', 'read'), false],
  ['a role where AppRole is mounted', ROLES, rule('auth/roles/role/app/secret-id', 'update'), true, 'roles'],
  ['a role elsewhere', ROLES, rule('auth/approle/role/app/secret-id', 'update'), false, 'roles'],
  ['roles that tasks name', BY_NAME, rule('secret/data/x', 'read'), true],
])('%s', async (_, policies, rules, expected, mount = 'approle') => {
  expect(await able(policies, rules, mount)).toBe(expected)
})
