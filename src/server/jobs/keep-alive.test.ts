import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { createToken, lookupSelf, revokeSelf, type TokenRequest } from '../../vault/token.ts'
import { findJob } from '../store/jobs.ts'
import { keepTokensAlive, renewalDue } from './keep-alive.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
beforeEach(async () => {
  await t.engine.db.deleteFrom('jobs').execute()
})
afterAll(() => t.close())

const PAST = new Date(0)

async function waiting(wanted: Partial<TokenRequest> & { explicit_max_ttl?: string }, due: Date | null = PAST) {
  const auth = await createToken(t.stack.vault, t.stack.root, { policies: ['default'], ttl: '60s', ...wanted })
  const id = await t.queue({ tokenAccessor: auth.accessor, tokenRenewAt: due })
  return { id, auth, dueAt: async () => (await findJob(t.engine.db, id))?.token_renew_at ?? null }
}

test('renewal is due at half of a life, and never for what does not end', () => {
  expect(renewalDue(0)).toBeNull()
  const seconds = ((renewalDue(600)?.getTime() ?? 0) - Date.now()) / 1000
  expect(seconds).toBeGreaterThan(299)
  expect(seconds).toBeLessThanOrEqual(300)
})

test('a token that is due is renewed, and due again at half of its new life; its uses are all left', async () => {
  const { auth, dueAt } = await waiting({ num_uses: 2 })
  t.stack.dev.clock.advance(50_000)
  await keepTokensAlive(t.engine)
  const due = ((await dueAt())?.getTime() ?? 0) - Date.now()
  expect(due).toBeGreaterThan(28_000)
  expect(due).toBeLessThanOrEqual(30_000)
  t.stack.dev.clock.advance(50_000)
  await lookupSelf(t.stack.vault, auth.token)
  await lookupSelf(t.stack.vault, auth.token)
  await expect(lookupSelf(t.stack.vault, auth.token)).rejects.toMatchObject({ kind: 'denied' })
})

test('what is not due is left alone', async () => {
  const later = new Date(Date.now() + 60_000)
  const { dueAt } = await waiting({}, later)
  await keepTokensAlive(t.engine)
  expect(await dueAt()).toEqual(later)
  expect((await waiting({}, null)).id).toBeTruthy()
})

test('nodes at the same time: each token is renewed by one of them', async () => {
  await Promise.all(Array.from({ length: 20 }, () => waiting({})))
  let asked = 0
  const { vault } = t.engine
  const counting = {
    ...t.engine,
    vault: new Proxy(vault, {
      get: (target, key) => {
        if (key !== 'send') return Reflect.get(target, key)
        asked += 1
        return target.send.bind(target)
      },
    }),
  }
  await Promise.all(Array.from({ length: 4 }, () => keepTokensAlive(counting)))
  expect(asked).toBe(20)
})

test('at its maximum life, or gone: not asked again', async () => {
  const ended = await waiting({})
  const revoked = await waiting({})
  await revokeSelf(t.stack.vault, revoked.auth.token)
  t.stack.dev.clock.advance(61_000)
  await keepTokensAlive(t.engine)
  expect([await ended.dueAt(), await revoked.dueAt()]).toEqual([null, null])
})

test('a token that nears its maximum life is renewed less and less far, and then no more', async () => {
  const { dueAt } = await waiting({ explicit_max_ttl: '70s' })
  let rounds = 0
  for (; (await dueAt()) !== null && rounds < 100; rounds++) {
    t.stack.dev.clock.advance(10_000)
    await t.engine.db.updateTable('jobs').set({ token_renew_at: PAST }).execute()
    await keepTokensAlive(t.engine)
  }
  expect(rounds).toBeLessThanOrEqual(9)
})

test('Vault away: tried again soon, and the others are not asked one by one', async () => {
  const jobs = await Promise.all(Array.from({ length: 5 }, () => waiting({})))
  t.stack.dev.seal()
  const warned = t.log.length
  await keepTokensAlive(t.engine)
  t.stack.dev.unseal()
  for (const { dueAt } of jobs) {
    const due = ((await dueAt())?.getTime() ?? 0) - Date.now()
    expect(due).toBeGreaterThan(10_000)
    expect(due).toBeLessThanOrEqual(15_000)
  }
  expect(t.log.length - warned).toBe(1)
  expect(t.log.join('')).not.toContain(jobs[0]?.auth.token.reveal())
})

test('one bad token does not keep the others from renewal', async () => {
  const bad = await waiting({})
  await revokeSelf(t.stack.vault, bad.auth.token)
  const good = await waiting({})
  await keepTokensAlive(t.engine)
  expect((await good.dueAt())?.getTime()).toBeGreaterThan(Date.now() + 20_000)
})

test('an ended job whose token is released is not asked for', async () => {
  const { id } = await waiting({})
  await t.engine.db.updateTable('jobs').set({ released_at: new Date() }).where('id', '=', id).execute()
  await keepTokensAlive(t.engine)
  expect((await findJob(t.engine.db, id))?.token_renew_at).toEqual(PAST)
})
