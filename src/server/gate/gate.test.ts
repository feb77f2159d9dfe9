import { afterEach, describe, expect, test } from 'vitest'
import { CALLER, GateBench } from '../../../test/gate.ts'
import { Secret } from '../../vault/secret.ts'
import { Deadline } from './deadline.ts'
import type { Task } from './schedulers/scheduler.ts'

let bench: GateBench
afterEach(async () => {
  await bench.close()
})

/** What a token with the policy `gate` may do from now on: each a path and capabilities. */
async function mayDo(...rights: string[]): Promise<void> {
  const rules = rights.map(text => {
    const [path, ...list] = text.split(' ')
    return `path "${path}" { capabilities = [${list.map(one => `"${one}"`).join(', ')}] }`
  })
  await bench.stack.write('sys/policies/acl/gate', { policy: rules.join('\n') })
}

test('a task that the scheduler vouches for gets a wrapped token, once', async () => {
  bench = await GateBench.start({ policies: { 'app*': { policies: ['default', 'db'], ttl: 600, num_uses: 9 } } })
  bench.scheduler.tasks.set('t1', { name: 'app-web' })
  const issued = await bench.ask('t1')
  expect(issued.ttlSeconds).toBe(120)
  const { policies, ttl } = await bench.open(issued)
  expect([...policies].sort()).toEqual(['db', 'default'])
  expect(ttl).toBeLessThanOrEqual(600)
  expect(await bench.outcome('t1')).toBe('task_served')
  expect(bench.alarms).toEqual([
    { alarm: 'second_request', scheduler: 'mesos', task: 't1', name: 'app-web', address: '127.0.0.1' },
  ])
  expect(bench.lines.join('')).not.toContain(issued.token.reveal())
})

test('the wrap can be opened once', async () => {
  bench = await GateBench.start()
  bench.scheduler.tasks.set('t1', {})
  const issued = await bench.ask('t1')
  await bench.open(issued)
  await expect(bench.open(issued)).rejects.toMatchObject({ kind: 'denied' })
})

test('multi_fetch: as often as the limit', async () => {
  bench = await GateBench.start({ policies: { '*': { multi_fetch: true, multi_fetch_limit: 3 } } })
  bench.scheduler.tasks.set('t1', {})
  const outcomes = []
  for (let n = 0; n < 5; n++) outcomes.push(await bench.outcome('t1'))
  expect(outcomes).toEqual(['token', 'token', 'token', 'task_served', 'task_served'])
})

test('two hundred requests at once give one token', async () => {
  bench = await GateBench.start()
  bench.scheduler.tasks.set('t1', {})
  const outcomes = await Promise.all(Array.from({ length: 200 }, () => bench.outcome('t1')))
  expect(outcomes.filter(outcome => outcome === 'token')).toHaveLength(1)
  expect(outcomes.filter(outcome => outcome === 'task_served')).toHaveLength(199)
})

test('one task is one, however its id is spelt', async () => {
  bench = await GateBench.start()
  const arn = 'arn:aws:ecs:eu-west-1:1:task/c/0123'
  bench.scheduler.tasks.set('0123', { id: arn }).set(arn, { id: arn })
  expect(await bench.outcome('0123')).toBe('token')
  expect(await bench.outcome(arn)).toBe('task_served')
})

const minutes = (n: number) => new Date(Date.now() - n * 60_000)

describe('what the scheduler says', () => {
  test.each<[string, Partial<Task>, string]>([
    ['started a minute ago', { startedAt: minutes(1) }, 'token'],
    ['started three minutes ago', { startedAt: minutes(3) }, 'task_too_old'],
    ['exactly as old as it may be', { startedAt: new Date(0), now: new Date(120_000) }, 'token'],
    ['older by a millisecond', { startedAt: new Date(0), now: new Date(120_001) }, 'task_too_old'],
    ['started in a few seconds, by a clock that is ahead', { startedAt: minutes(-0.2) }, 'token'],
    ['started in an hour', { startedAt: minutes(-60) }, 'scheduler_lied'],
    ['started at no time', { startedAt: new Date(Number.NaN) }, 'scheduler_lied'],
    ['old by our clock, young by its own', { startedAt: minutes(30), now: minutes(29) }, 'token'],
    ['young by our clock, old by its own', { startedAt: minutes(1), now: minutes(-5) }, 'task_too_old'],
    ['a name with a line break', { name: 'a\nb' }, 'scheduler_lied'],
    ['a name that turns the text around', { name: 'a\u202eb' }, 'scheduler_lied'],
    ['no name', { name: '' }, 'scheduler_lied'],
    ['a name of 10 kB', { name: 'a'.repeat(10_000) }, 'scheduler_lied'],
    ['a name like a path', { name: '../../auth/token/create' }, 'token'],
  ])('%s: %s', async (_, task, expected) => {
    bench = await GateBench.start()
    bench.scheduler.tasks.set('t1', task)
    expect(await bench.outcome('t1')).toBe(expected)
  })

  test.each([
    ['throws something odd', async () => Promise.reject(new Error('canary')), 'scheduler_unavailable'],
    ['does not know it', null, 'task_not_found'],
  ])('%s', async (_, instead, expected) => {
    bench = await GateBench.start()
    bench.scheduler.instead = instead
    expect(await bench.outcome('t1')).toBe(expected)
  })

  test('hangs, and forgets its signal: the caller does not wait with it', async () => {
    bench = await GateBench.start()
    bench.scheduler.instead = () => new Promise(() => {})
    const began = performance.now()
    const patience = AbortSignal.timeout(300)
    expect(await bench.outcome('t1', { signal: patience })).toBe('scheduler_unavailable')
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('an id that is none is not even asked about', async () => {
    bench = await GateBench.start()
    for (const id of ['', '../x', 'a\nb', 'ünï', 'x'.repeat(10_000)]) {
      expect(await bench.outcome(id)).toBe('task_id_invalid')
    }
    expect(bench.scheduler.lookups).toBe(0)
    expect(await bench.outcome('t1', { scheduler: 'other' })).toBe('scheduler_unknown')
  })

  test('with the host check, who calls from elsewhere is refused, and it is an alarm', async () => {
    bench = await GateBench.start({ settings: { hostCheck: true } })
    bench.scheduler.tasks
      .set('here', { addresses: ['10.0.0.1', '::ffff:127.0.0.1'] })
      .set('there', { addresses: ['10.0.0.1'] })
      .set('nowhere', {})
    expect(await bench.outcome('here')).toBe('token')
    expect(await bench.outcome('there')).toBe('task_foreign')
    expect(await bench.outcome('nowhere')).toBe('task_foreign')
    expect(bench.alarms.map(({ alarm, task }) => [alarm, task])).toEqual([
      ['foreign_task', 'there'],
      ['foreign_task', 'nowhere'],
    ])
  })
})

describe('by AppRole', () => {
  const policies = {
    'mesos:*': { roles: ['worker', 'admin', '{{name}}'], num_uses: 2 },
    'mesos:gone': { roles: ['gone'] },
  }

  async function start(): Promise<void> {
    bench = await GateBench.start({ policies })
    for (const role of ['worker', 'admin', 'special']) {
      await bench.stack.write(`auth/approle/role/${role}`, { token_policies: [role], token_ttl: '5m' })
    }
    bench.scheduler.tasks.set('t1', { name: 'app' }).set('t2', { name: 'special' }).set('t3', { name: 'gone' })
  }

  test('the first role of the list, or the one asked for', async () => {
    await start()
    expect((await bench.open(await bench.ask('t1'))).policies).toContain('worker')
    expect((await bench.open(await bench.ask('t1', { role: 'admin' }))).policies).toContain('admin')
    expect(await bench.outcome('t1')).toBe('task_served')
    expect((await bench.open(await bench.ask('t2', { role: '{{name}}' }))).policies).toContain('special')
  })

  test('a wrong role, and one that is not there, burn nothing', async () => {
    await start()
    for (let n = 0; n < 5; n++) {
      expect(await bench.outcome('t1', { role: 'root' })).toBe('role_not_allowed')
      expect(await bench.outcome('t1', { role: 'special' })).toBe('role_not_allowed')
      expect(await bench.outcome('t3')).toBe('role_unknown')
    }
    expect(await bench.outcome('t1')).toBe('token')
    await bench.stack.write('auth/approle/role/gone', { token_policies: ['default'] })
    expect(await bench.outcome('t3')).toBe('token')
  })

  test('no policy for a name', async () => {
    bench = await GateBench.start({ policies: { 'mesos:other': { roles: ['r'] } } })
    bench.scheduler.tasks.set('t1', {})
    expect(await bench.outcome('t1')).toBe('policy_none')
  })

  test('never the role that the gate itself is logged in to', async () => {
    await start()
    await bench.stack.write('auth/approle/role/gate', { token_policies: ['root-like'] })
    await bench.stack.write('sys/policies/acl/root-like', {
      policy: 'path "*" { capabilities = ["read", "update", "sudo"] }',
    })
    await bench.gate.seal(CALLER)
    const ask = async (what: string, method: 'GET' | 'POST') =>
      (await bench.stack.vault.send({ method, path: `auth/approle/role/gate/${what}`, token: bench.stack.root }))?.data
    const roleId = String((await ask('role-id', 'GET'))?.role_id)
    const secretId = new Secret(String((await ask('secret-id', 'POST'))?.secret_id))
    await bench.gate.unseal({ kind: 'approle', roleId, secretId }, CALLER)
    bench.scheduler.tasks.set('t4', { name: 'gate' })
    expect(await bench.outcome('t4', { role: '{{name}}' })).toBe('role_not_allowed')
  })
})

describe('Vault', () => {
  test('that refuses: the use is intact, and the answer says why', async () => {
    bench = await GateBench.start({ sealed: true, policies: { '*': { policies: ['default'] } } })
    await mayDo('secret/data/gatekeeper read', 'auth/token/create update sudo')
    const token = await bench.stack.token({ policies: ['gate', 'default'], ttl: '1h' })
    await bench.gate.unseal({ kind: 'token', token }, CALLER)
    bench.scheduler.tasks.set('t1', {})
    await mayDo('secret/data/gatekeeper read')
    for (let n = 0; n < 3; n++) {
      await expect(bench.ask('t1')).rejects.toMatchObject({ code: 'token_not_made', detail: '403: permission denied' })
    }
    await mayDo('auth/token/create update sudo')
    expect(await bench.outcome('t1')).toBe('token')
  })

  test('that is sealed: refusals, uses intact, well again without a restart', async () => {
    bench = await GateBench.start()
    await bench.gate.start()
    bench.scheduler.tasks.set('t1', {})
    bench.stack.dev.seal()
    for (let n = 0; n < 3; n++) expect(await bench.outcome('t1')).toBe('vault_unavailable')
    expect(bench.identity.state.phase).toBe('degraded')
    bench.stack.dev.unseal()
    expect(await bench.outcome('t1')).toBe('token')
  })

  test('who hangs up while the token is made burns nothing, and the token is revoked', async () => {
    bench = await GateBench.start()
    await bench.gate.start()
    bench.scheduler.tasks.set('t1', {})
    const gone = new AbortController()
    const made: string[] = []
    const { vault } = bench.stack
    const send = vault.send.bind(vault)
    vault.send = async call => {
      const answer = await send({ ...call, signal: undefined })
      if (answer?.wrap) {
        made.push(answer.wrap.wrappedAccessor)
        gone.abort()
      }
      return answer
    }
    expect(await bench.outcome('t1', { signal: gone.signal })).toBe('vault_unavailable')
    vault.send = send
    const lookup = vault.send({
      method: 'POST',
      path: 'auth/token/lookup-accessor',
      token: bench.stack.root,
      body: { accessor: made[0] },
    })
    await expect(lookup).rejects.toMatchObject({ name: 'VaultError' })
    expect(await bench.outcome('t1')).toBe('token')
  })
})

describe('sealed', () => {
  test('every request is refused before the scheduler is asked', async () => {
    bench = await GateBench.start({ sealed: true })
    bench.scheduler.tasks.set('t1', {})
    expect(await bench.outcome('t1')).toBe('server_sealed')
    expect(bench.scheduler.lookups).toBe(0)
  })

  test('while a token is made: it is not answered, and the use is intact', async () => {
    bench = await GateBench.start()
    await bench.gate.start()
    bench.scheduler.tasks.set('t1', {})
    const { vault } = bench.stack
    const send = vault.send.bind(vault)
    vault.send = async call => {
      const answer = await send(call)
      if (answer?.wrap) await bench.gate.seal(CALLER)
      return answer
    }
    expect(await bench.outcome('t1')).toBe('server_sealed')
    vault.send = send
    await bench.gate.unseal({ kind: 'token', token: bench.stack.root }, CALLER)
    expect(await bench.outcome('t1')).toBe('token')
  })

  test('unsealed by a good credential with policies, and by nothing less', async () => {
    bench = await GateBench.start({ sealed: true })
    const poor = await bench.stack.token({ policies: ['default'], ttl: '1h' })
    await expect(bench.gate.unseal({ kind: 'token', token: new Secret('canary') }, CALLER)).rejects.toMatchObject({
      code: 'login_refused',
      detail: '403: permission denied',
    })
    await expect(bench.gate.unseal({ kind: 'token', token: poor }, CALLER)).rejects.toMatchObject({
      code: 'policies_unreadable',
    })
    expect(bench.identity.state.sealed).toBe(true)
    expect(await bench.gate.unseal({ kind: 'token', token: bench.stack.root }, CALLER)).toBe(true)
    expect(await bench.gate.unseal({ kind: 'token', token: new Secret('canary') }, CALLER)).toBe(false)
    expect(bench.gate.policyCount).toBe(1)
  })

  test.each<[object, string[], boolean]>([
    [{ '*': { policies: ['x'] } }, [], false],
    [{ '*': { policies: ['x'] } }, ['auth/token/create update'], false],
    [{ '*': { policies: ['x'] } }, ['auth/token/create sudo read list'], false],
    [{ '*': { policies: ['x'] } }, ['auth/approle/role/+/secret-id update'], false],
    [{ '*': { policies: ['x'] } }, ['auth/token/create update sudo'], true],
    [{ '*': { roles: ['a', 'b'], num_uses: 1 } }, ['auth/token/create update sudo'], false],
    [{ '*': { roles: ['a', 'b'], num_uses: 1 } }, ['auth/approle/role/a/secret-id read'], false],
    [{ '*': { roles: ['a', 'b'], num_uses: 1 } }, ['auth/approle/role/b/secret-id update'], true],
    [{ '*': { roles: ['{{name}}'], num_uses: 1 } }, [], true],
  ])('for %j, a token that may %j: %s', async (policies, rights, good) => {
    bench = await GateBench.start({ sealed: true, policies })
    await mayDo('secret/data/gatekeeper read', ...rights)
    const token = await bench.stack.token({ policies: ['gate', 'default'], ttl: '1h' })
    const outcome = bench.gate.unseal({ kind: 'token', token }, CALLER)
    if (good) expect(await outcome).toBe(true)
    else await expect(outcome).rejects.toMatchObject({ code: 'login_weak' })
    expect(bench.identity.state.sealed).toBe(!good)
  })

  test('who cannot be asked what he may do does not unseal', async () => {
    bench = await GateBench.start({ sealed: true })
    await mayDo('secret/data/gatekeeper read', 'auth/token/create update sudo', 'auth/token/lookup-self read')
    const token = await bench.stack.token({ policies: ['gate'], no_default_policy: true, ttl: '1h' })
    await expect(bench.gate.unseal({ kind: 'token', token }, CALLER)).rejects.toMatchObject({ code: 'login_refused' })
  })

  test('what was served stays served', async () => {
    bench = await GateBench.start()
    bench.scheduler.tasks.set('t1', {})
    await bench.ask('t1')
    await bench.gate.seal(CALLER)
    await bench.gate.unseal({ kind: 'token', token: bench.stack.root }, CALLER)
    expect(await bench.outcome('t1')).toBe('task_served')
  })
})

describe('policies', () => {
  const write = (document: unknown) => bench.stack.write('secret/data/gatekeeper', { data: document })

  test('are read again on request; the old ones stay when the new ones are no good', async () => {
    bench = await GateBench.start()
    await write({ a: { policies: ['a'] }, b: { policies: ['b'] } })
    expect(await bench.gate.reload(CALLER)).toBe(2)
    await write({ a: { ttl: 'soon' } })
    await expect(bench.gate.reload(CALLER)).rejects.toMatchObject({ code: 'policies_invalid' })
    expect(bench.gate.policyCount).toBe(2)
    bench.scheduler.tasks.set('t1', { name: 'b' })
    expect((await bench.open(await bench.ask('t1'))).policies).toContain('b')
  })

  test('what is written later counts only when it is read again', async () => {
    bench = await GateBench.start({ policies: { '*': { policies: ['before'] } } })
    bench.scheduler.tasks.set('t1', {}).set('t2', {}).set('t3', {})
    expect((await bench.open(await bench.ask('t1'))).policies).toContain('before')
    await write({ '*': { policies: ['after'] } })
    expect((await bench.open(await bench.ask('t2'))).policies).toContain('before')
    await bench.gate.reload(CALLER)
    expect((await bench.open(await bench.ask('t3'))).policies).toContain('after')
  })

  test('of two readings at once, the one that began later counts', async () => {
    bench = await GateBench.start({ policies: { a: {}, b: {} } })
    const { vault } = bench.stack
    const send = vault.send.bind(vault)
    const held = Promise.withResolvers<void>()
    const stuck = Promise.withResolvers<void>()
    vault.send = async call => {
      const answer = await send(call)
      if (call.path === 'secret/data/gatekeeper') {
        vault.send = send
        stuck.resolve()
        await held.promise
      }
      return answer
    }
    const slow = bench.gate.reload(CALLER)
    await stuck.promise
    await write({ a: {} })
    expect(await bench.gate.reload(CALLER)).toBe(1)
    held.resolve()
    await slow
    expect(bench.gate.policyCount).toBe(1)
  })

  test('that are not there give nobody anything, until they are', async () => {
    bench = await GateBench.start({
      settings: { policies: { path: 'secret/none', nested: false, lastWins: false, renewable: true } },
    })
    await bench.gate.start()
    expect(bench.gate.problem).toContain('no policies')
    bench.scheduler.tasks.set('t1', {})
    expect(['policies_missing', 'policies_invalid']).toContain(await bench.outcome('t1'))
    await bench.stack.write('secret/data/none', { data: { '*': {} } })
    await expect.poll(() => bench.outcome('t1'), { timeout: 10_000 }).toBe('token')
    expect(bench.gate.problem).toBe('')
  })
})

test('nothing of a request reaches the log but what is a name', async () => {
  bench = await GateBench.start()
  bench.scheduler.tasks.set('t1', {})
  const { token } = await bench.ask('t1')
  await bench.gate.issue({ taskId: 'x\ncanary', role: '', scheduler: '' }, CALLER, new Deadline(10_000)).catch(() => {})
  expect(bench.lines.join('')).not.toContain('canary')
  expect(bench.lines.join('')).not.toContain(token.reveal())
})
