import { afterEach, expect, test } from 'vitest'
import { CALLER, GateBench } from '../../../test/gate.ts'

/** The policies that vault-gatekeeper shipped for itself (gatekeeper.md §17): who had them needs no others. */
const V1 = [
  'auth/token/create create read sudo update',
  'auth/token/create/* create read sudo update',
  'auth/token/create-orphan create read sudo update',
  'kv1/gatekeeper read',
]
const V2 = [
  'auth/approle/role/* create update read',
  'secret/data/gatekeeper read list',
  'secret/data/gatekeeper/* read list',
  'secret/metadata/gatekeeper read list',
  'secret/metadata/gatekeeper/* read list',
  'secret/data/gatekeeper-store create update read',
  '/auth/token/lookup-self read',
  'auth/token/renew-self create update',
]

let bench: GateBench
afterEach(() => bench.close())

test.each<[string, string, readonly string[], boolean, object]>([
  ['version 1', 'kv1/gatekeeper', V1, false, { '*': { policies: ['app'], ttl: 60 } }],
  ['version 2', 'secret/data/gatekeeper', V2, true, { 'mesos:*': { roles: ['app'], num_uses: 2 } }],
])(
  'the policy that %s had is enough to unseal, to reload and to make a token',
  async (_, path, rights, v2, policies) => {
    const source = { path, nested: v2, lastWins: v2, renewable: true }
    bench = await GateBench.start({ sealed: true, policies, settings: { policies: source } })
    const { stack } = bench
    await stack.write('sys/mounts/kv1', { type: 'kv', options: { version: '1' } })
    await stack.write('kv1/gatekeeper', policies)
    await stack.write('secret/data/gatekeeper/below', { data: { 'mesos:below': { roles: ['other'], num_uses: 1 } } })
    await stack.write('auth/approle/role/app', { token_policies: ['app'] })
    const rules = rights.map(text => {
      const [at, ...list] = text.split(' ')
      return `path "${at}" { capabilities = [${list.map(one => `"${one}"`).join(', ')}] }`
    })
    await stack.write('sys/policies/acl/gatekeeper', { policy: rules.join('\n') })
    const token = await stack.token({ policies: ['gatekeeper', 'default'], ttl: '1h' })
    expect(await bench.gate.unseal({ kind: 'token', token }, CALLER)).toBe(true)
    bench.scheduler.tasks.set('t1', {})
    expect((await bench.open(await bench.ask('t1'))).policies).toContain('app')
    expect(await bench.gate.reload(CALLER)).toBe(v2 ? 2 : 1)
  },
)
