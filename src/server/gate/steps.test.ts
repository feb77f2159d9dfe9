import { afterEach, describe, expect, test } from 'vitest'
import { CALLER, GateBench } from '../../../test/gate.ts'
import { WritError } from '../../protocol/errors.ts'
import type { Vault } from '../../vault/client.ts'
import { VaultError } from '../../vault/error.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { Identity } from '../identity/identity.ts'
import { Deadline } from './deadline.ts'
import { Gate, type GateParts } from './gate.ts'
import type { Scheduler } from './schedulers/scheduler.ts'
import type { KeptFacts, Uses } from './uses/uses.ts'

let bench: GateBench
afterEach(async () => {
  await bench.close()
})

const OPERATOR = { address: '10.0.0.7', name: 'ann' }

/** The gate of the bench with other parts. */
const gateWith = (parts: Partial<GateParts>) => new Gate({ ...bench.gate.parts, ...parts })

async function outcomeOf(gate: Gate, { address = CALLER.address, limit = new Deadline(20_000) } = {}) {
  bench.scheduler.tasks.set('t', { id: 't' })
  const asked = { taskId: 't', role: '', scheduler: '' }
  return await gate.issue(asked, { address }, limit).then(
    () => 'token',
    error => error.code,
  )
}

/** Uses that do as they are told, and what became of them. */
function toldUses(keep: () => Promise<boolean>) {
  const seen = { kept: [] as KeptFacts[], back: 0 }
  const uses: Uses = {
    recorded: true,
    take: async () => ({
      keep: async facts => {
        seen.kept.push(facts)
        return await keep()
      },
      giveBack: async () => {
        seen.back += 1
      },
    }),
    close: async () => {},
  }
  return { uses, seen }
}

type Call = Parameters<Vault['send']>[0]
const vaultThat = (send: (call: Call) => ReturnType<Vault['send']>) => ({ send }) as unknown as Vault

function watchedIdentity() {
  const seen = { doubts: 0 }
  const { identity } = bench
  const doubt = async () => {
    seen.doubts += 1
  }
  const watched = { state: identity.state, token: () => identity.token(), doubt }
  return { identity: watched as unknown as Identity, seen }
}

describe('a use', () => {
  test('that cannot be taken for another reason than that they are used up is no second request', async () => {
    bench = await GateBench.start()
    for (const code of ['store_unavailable', 'task_pending'] as const) {
      const uses: Uses = {
        recorded: true,
        take: async () => Promise.reject(new WritError(code)),
        close: async () => {},
      }
      expect(await outcomeOf(gateWith({ uses }))).toBe(code)
    }
    expect(bench.alarms).toEqual([])
  })

  test('that is another’s by now: no token, the one that was made is revoked, and the use is given back', async () => {
    bench = await GateBench.start()
    const { uses, seen } = toldUses(async () => false)
    expect(await outcomeOf(gateWith({ uses }))).toBe('task_pending')
    expect(seen.back).toBe(1)
    expect(bench.stack.calls.slice(-2)).toEqual(['POST auth/token/create', 'POST auth/token/revoke-accessor'])
  })

  test('of a token whose accessor Vault did not tell: nothing is revoked by an empty one', async () => {
    bench = await GateBench.start()
    const { uses, seen } = toldUses(async () => false)
    const vault = vaultThat(async call => {
      const found = await bench.stack.vault.send(call)
      return found?.wrap ? { ...found, wrap: { ...found.wrap, wrappedAccessor: '' } } : found
    })
    expect(await outcomeOf(gateWith({ uses, vault }))).toBe('task_pending')
    expect(seen.back).toBe(1)
    expect(bench.stack.calls.filter(call => call.includes('revoke'))).toEqual([])
  })

  test('is kept with who asked; over a Unix socket, a local process', async () => {
    bench = await GateBench.start()
    const { uses, seen } = toldUses(async () => true)
    const gate = gateWith({ uses })
    expect(await outcomeOf(gate, { address: '10.1.2.3' })).toBe('token')
    expect(await outcomeOf(gate, { address: '' })).toBe('token')
    expect(seen.kept.map(({ actor }) => actor)).toEqual(['10.1.2.3', 'a local process'])
    expect(seen.back).toBe(0)
  })

  test.each<[string, object, string | undefined]>([
    ['once', { '*': { policies: ['default'] } }, undefined],
    ['twice', { '*': { multi_fetch: true, multi_fetch_limit: 2 } }, 'the maximum'],
  ])('that may be had %s: what is said of one too many', async (_, policies, detail) => {
    bench = await GateBench.start({ policies })
    for (let n = 0; n < 2; n++) await outcomeOf(bench.gate)
    await expect(bench.ask('t')).rejects.toMatchObject({ code: 'task_served', detail })
  })

  test('by one name of a cluster and by another is the same', async () => {
    const tasks = { id: 't', name: 'app', startedAt: new Date(), state: 'running', meta: {} } as const
    const other: Scheduler = {
      name: 'dcosee-mesos',
      sharesUsesWith: 'mesos',
      parseTaskId: text => text as never,
      lookup: async () => tasks,
      close: async () => {},
    }
    bench = await GateBench.start({ schedulers: [other] })
    expect(await outcomeOf(bench.gate)).toBe('token')
    expect(await bench.outcome('t', { scheduler: 'dcosee-mesos' })).toBe('task_served')
  })
})

test('whatever comes of a request, nothing waits for its time to be over', async () => {
  bench = await GateBench.start()
  let cleared = 0
  class Counted extends Deadline {
    override clear(): void {
      cleared += 1
      super.clear()
    }
  }
  expect(await outcomeOf(bench.gate, { limit: new Counted(20_000) })).toBe('token')
  expect(await outcomeOf(bench.gate, { limit: new Counted(20_000) })).toBe('task_served')
  expect(cleared).toBe(2)
})

describe('a Vault', () => {
  test.each([403, 400, 500])('that answers %i to the making of a token has the gate doubt its own', async status => {
    bench = await GateBench.start()
    const { identity, seen } = watchedIdentity()
    const vault = vaultThat(async call => {
      if (call.path === 'auth/token/create') throw new VaultError({ status, path: call.path, errors: [] })
      return await bench.stack.vault.send(call)
    })
    expect(await outcomeOf(gateWith({ vault, identity }))).toBe(status === 500 ? 'vault_unavailable' : 'token_not_made')
    expect(seen.doubts).toBe(1)
  })

  test.each([403, 400])('that answers %i to the reading of the policies, too', async status => {
    bench = await GateBench.start()
    const { identity, seen } = watchedIdentity()
    const vault = vaultThat(async call => {
      if (call.path.startsWith('secret/')) throw new VaultError({ status, path: call.path, errors: [] })
      return await bench.stack.vault.send(call)
    })
    expect(await outcomeOf(gateWith({ vault, identity }))).toBe('policies_unreadable')
    expect(seen.doubts).toBe(1)
  })
})

describe('policies', () => {
  const reads = () => bench.stack.calls.filter(call => call.startsWith('GET secret/'))

  test('are read once for all who ask first', async () => {
    bench = await GateBench.start()
    for (let n = 0; n < 8; n++) bench.scheduler.tasks.set(`t${n}`, { id: `t${n}` })
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, n) => bench.outcome(`t${n}`)))
    expect(outcomes).toEqual(Array(8).fill('token'))
    expect(reads()).toHaveLength(1)
  })

  test('that could not be read are not read again for everybody who asks, and why is said to each', async () => {
    bench = await GateBench.start({ policies: { '*': { ttl: 'soon' } } })
    bench.scheduler.tasks.set('t', { id: 't' })
    const refusals = []
    for (let n = 0; n < 3; n++) refusals.push(await bench.ask('t').catch((error: WritError) => error))
    expect(refusals.map(error => (error as WritError).code)).toEqual(Array(3).fill('policies_invalid'))
    for (const error of refusals) expect((error as WritError).message).toContain('"ttl" is not a whole number')
    expect(reads()).toHaveLength(1)
  })
})

describe('what an operator does', () => {
  const broken = async () => Promise.reject(new Error('the database is away'))
  const actions = () => bench.trail.map(({ action }: AuditEntry) => action)

  test('is on the trail', async () => {
    bench = await GateBench.start({ sealed: true })
    expect(await bench.gate.unseal({ kind: 'token', token: bench.stack.root }, OPERATOR)).toBe(true)
    expect(await bench.gate.unseal({ kind: 'token', token: bench.stack.root }, OPERATOR)).toBe(false)
    expect(bench.gate.policyCount).toBe(1)
    await bench.gate.reload(OPERATOR)
    await bench.gate.seal({ address: '' })
    expect(actions()).toEqual(['gate.unsealed', 'gate.policies_reloaded', 'gate.sealed'])
    expect(bench.trail.map(({ actor }) => actor)).toEqual(['10.0.0.7', '10.0.0.7', 'a local process'])
    expect(bench.trail[0]?.detail).toEqual({ name: 'ann', method: 'token' })
  })

  test('is not done where it cannot be put there, but for sealing', async () => {
    bench = await GateBench.start({ sealed: true })
    const gate = gateWith({ record: broken })
    const credentials = { kind: 'token', token: bench.stack.root } as const
    await expect(gate.unseal(credentials, OPERATOR)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(bench.identity.state.sealed).toBe(true)
    await bench.identity.start()
    await expect(gate.reload(OPERATOR)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(gate.policyCount).toBe(0)
    await gate.seal(OPERATOR)
    expect(bench.identity.state.sealed).toBe(true)
  })

  test('what must be done first with a token that it is to be unsealed with is done, or it stays sealed', async () => {
    bench = await GateBench.start({ sealed: true })
    const admitted: string[] = []
    const credentials = { kind: 'token', token: bench.stack.root } as const
    const refusing = gateWith({ admit: async () => Promise.reject(new WritError('store_credentials_unavailable')) })
    await expect(refusing.unseal(credentials, OPERATOR)).rejects.toMatchObject({
      code: 'store_credentials_unavailable',
    })
    expect(bench.identity.state.sealed).toBe(true)
    expect(actions()).toEqual([])
    const gate = gateWith({
      admit: async token => {
        expect(actions()).toEqual([])
        admitted.push(token.reveal())
      },
    })
    expect(await gate.unseal(credentials, OPERATOR)).toBe(true)
    expect(admitted).toEqual([bench.stack.root.reveal()])
  })

  test('a reload while Vault is away is no fault of ours', async () => {
    bench = await GateBench.start()
    bench.stack.dev.seal()
    await expect(bench.gate.reload(OPERATOR)).rejects.toMatchObject({ code: 'vault_unavailable' })
  })
})
