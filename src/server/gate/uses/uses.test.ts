import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../../test/database.ts'
import { GateBench } from '../../../../test/gate.ts'
import { lookupSelf, revokeAccessor } from '../../../vault/token.ts'
import { verifyAudit } from '../../audit/verify.ts'
import { type Database, migrate, openDatabase } from '../../store/database.ts'
import { forgetUses, giveUseBack, takeUse } from '../../store/gate-uses.ts'
import { MemoryUses } from './memory.ts'
import { PostgresUses } from './postgres.ts'
import { PATIENCE_MS, rememberedMs, type Use, type Uses } from './uses.ts'

const log = pino({ level: 'silent' })
const signal = new AbortController().signal
const FACTS = { actor: '127.0.0.1', detail: {} }

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = openDatabase(database.url, () => {})
  await migrate(db)
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

let n = 0
const fresh = () => `test:task-${n++}`
const codeOf = (error: { code?: string }) => error.code

describe.each<[string, () => Uses]>([
  ['in memory', () => new MemoryUses()],
  ['in PostgreSQL', () => new PostgresUses(db, log)],
])('%s', (_, make) => {
  test('one is taken and kept: there is no second', async () => {
    const uses = make()
    const task = fresh()
    const use = await uses.take(task, 1, signal)
    expect(await use.keep(FACTS)).toBe(true)
    await expect(uses.take(task, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
    await uses.close()
  })

  test('one that is given back can be taken again', async () => {
    const uses = make()
    const task = fresh()
    for (let round = 0; round < 3; round++) await (await uses.take(task, 1, signal)).giveBack()
    expect(await (await uses.take(task, 1, signal)).keep(FACTS)).toBe(true)
    await uses.close()
  })

  test('one that is given back does not take with it what others have, nor itself twice', async () => {
    const uses = make()
    const task = fresh()
    const [first, second] = [await uses.take(task, 2, signal), await uses.take(task, 2, signal)]
    await first.giveBack()
    await first.giveBack()
    const third = await uses.take(task, 2, signal)
    expect([await second.keep(FACTS), await third.keep(FACTS)]).toEqual([true, true])
    await expect(uses.take(task, 2, signal)).rejects.toMatchObject({ code: 'task_served' })
    await uses.close()
  })

  test('as many as the limit, which may change', async () => {
    const uses = make()
    const task = fresh()
    for (let round = 0; round < 3; round++) await (await uses.take(task, 3, signal)).keep(FACTS)
    await expect(uses.take(task, 3, signal)).rejects.toMatchObject({ code: 'task_served' })
    await (await uses.take(task, 4, signal)).keep(FACTS)
    await uses.close()
  })

  test('of 64 at once as many as there are; the others wait for the outcome', async () => {
    const uses = make()
    for (const limit of [1, 10]) {
      const task = fresh()
      const kept = async () => await (await uses.take(task, limit, signal)).keep(FACTS)
      const outcomes = await Promise.all(Array.from({ length: 64 }, () => kept().catch(codeOf)))
      expect(outcomes.filter(outcome => outcome === true)).toHaveLength(limit)
      expect(outcomes.filter(outcome => outcome === 'task_served')).toHaveLength(64 - limit)
    }
    await uses.close()
  })

  test('who waits for one that is given back gets it', async () => {
    const uses = make()
    const task = fresh()
    const first = await uses.take(task, 1, signal)
    const second = uses.take(task, 1, signal)
    await first.giveBack()
    expect(await (await second).keep(FACTS)).toBe(true)
    await uses.close()
  })

  test('who waits and hangs up waits no longer', async () => {
    const uses = make()
    const task = fresh()
    const first = await uses.take(task, 1, signal)
    const gone = new AbortController()
    const second = uses.take(task, 1, gone.signal)
    const left = performance.now()
    gone.abort()
    await expect(second).rejects.toMatchObject({ code: 'task_pending' })
    // and not because its patience is over, which ends in the same words
    expect(performance.now() - left).toBeLessThan(PATIENCE_MS / 2)
    await first.giveBack()
    await uses.close()
  })

  test('tasks do not wait for each other', async () => {
    const uses = make()
    const held: Use[] = []
    for (let round = 0; round < 50; round++) held.push(await uses.take(fresh(), 1, signal))
    expect(await Promise.all(held.map(use => use.keep(FACTS)))).toEqual(held.map(() => true))
    await uses.close()
  })
})

test('in memory, what is long past is forgotten, and nothing else', async () => {
  let now = 0
  const uses = new MemoryUses(rememberedMs(120_000), () => now)
  const [old, young] = [fresh(), fresh()]
  await (await uses.take(old, 1, signal)).keep(FACTS)
  now += 23 * 3_600_000
  await (await uses.take(young, 1, signal)).keep(FACTS)
  await expect(uses.take(old, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
  now += 2 * 3_600_000
  await (await uses.take(old, 1, signal)).giveBack()
  await expect(uses.take(young, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
})

test('in memory, what is undecided is not forgotten, however long that takes', async () => {
  let now = 0
  const uses = new MemoryUses(1_000, () => now)
  const use = await uses.take('slow', 1, signal)
  now = 100_000
  await (await uses.take('other', 1, signal)).keep(FACTS)
  await expect(uses.take('slow', 1, AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'task_pending' })
  expect(await use.keep(FACTS)).toBe(true)
  await uses.close()
})

test('in PostgreSQL, too, what is long past is forgotten, and nothing else', async () => {
  const uses = new PostgresUses(db, log)
  const task = fresh()
  await (await uses.take(task, 1, signal)).keep(FACTS)
  await forgetUses(db, 60_000)
  await expect(uses.take(task, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
  await forgetUses(db, -60_000)
  await (await uses.take(task, 1, signal)).giveBack()
  await uses.close()
})

test('a task that may ask for days is remembered for longer', async () => {
  const day = 24 * 3_600_000
  expect(rememberedMs(120_000)).toBe(day)
  let now = 0
  const uses = new MemoryUses(rememberedMs(2 * day), () => now)
  const task = fresh()
  await (await uses.take(task, 1, signal)).keep(FACTS)
  now += 2 * day
  await expect(uses.take(task, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
})

test('in PostgreSQL, a store that does not answer keeps nobody waiting, and what it does later burns nothing', async () => {
  const uses = new PostgresUses(db, log, { storeMs: 300, leaseMs: 1_000 })
  const [taking, keeping] = [fresh(), fresh()]
  const use = await uses.take(keeping, 1, signal)
  const stuck = Promise.withResolvers<void>()
  const holding = Promise.withResolvers<void>()
  const holder = db.transaction().execute(async tx => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${taking}, 5))`.execute(tx)
    await sql`select * from gate_uses where task = ${keeping} for update`.execute(tx)
    holding.resolve()
    await stuck.promise
  })
  await holding.promise
  await expect(uses.take(taking, 1, signal)).rejects.toMatchObject({ code: 'store_unavailable' })
  await expect(use.keep(FACTS)).rejects.toMatchObject({ code: 'store_unavailable' })
  const given = use.giveBack()
  stuck.resolve()
  await Promise.all([holder, given])
  for (const task of [taking, keeping]) {
    const again = await uses.take(task, 1, signal)
    expect(await again.keep(FACTS)).toBe(true)
  }
  await uses.close()
})

describe('in PostgreSQL, a node that dies', () => {
  test('while a token is made: the use comes back when its lease is over', async () => {
    const uses = new PostgresUses(db, log, { leaseMs: 300 })
    const task = fresh()
    await uses.take(task, 1, signal) // and nothing more is heard of it
    const use = await uses.take(task, 1, signal)
    expect(await use.keep(FACTS)).toBe(true)
    await uses.close()
  })

  test('or only sleeps: what it keeps too late is refused, and the other has it', async () => {
    const uses = new PostgresUses(db, log, { leaseMs: 300 })
    const task = fresh()
    const sleeper = await uses.take(task, 1, signal)
    const other = await uses.take(task, 1, signal)
    expect(await sleeper.keep(FACTS)).toBe(false)
    expect(await other.keep(FACTS)).toBe(true)
    await sleeper.giveBack()
    await expect(uses.take(task, 1, signal)).rejects.toMatchObject({ code: 'task_served' })
    await uses.close()
  })

  test('too late also where nobody else asked', async () => {
    const uses = new PostgresUses(db, log, { leaseMs: 1 })
    const sleeper = await uses.take(fresh(), 1, signal)
    await new Promise(resolve => setTimeout(resolve, 20))
    const before = (await verifyAudit(db)).entries
    expect(await sleeper.keep(FACTS)).toBe(false)
    // nor is it on the trail: nobody has the token
    expect((await verifyAudit(db)).entries).toBe(before)
    await uses.close()
  })
})

test('what is kept is on the audit trail, or it is not kept', async () => {
  const uses = new PostgresUses(db, log)
  const task = fresh()
  const use = await uses.take(task, 1, signal)
  const before = (await verifyAudit(db)).entries
  await sql`alter table audit add constraint none check (entry not like '%"refused"%') not valid`.execute(db)
  const broken = use.keep({ actor: 'x', detail: { bad: 'refused' } })
  await expect(broken).rejects.toThrow()
  expect(await use.keep({ actor: 'x', detail: { task } })).toBe(true)
  const { entries, brokenAt } = await verifyAudit(db)
  expect({ entries, brokenAt }).toEqual({ entries: before + 1, brokenAt: null })
  await uses.close()
})

describe.each<[string, object]>([
  ['a token', { '*': { policies: ['default'], ttl: 600 } }],
  ['a login to an AppRole', { '*': { roles: ['app'], num_uses: 1 } }],
])('%s that was given', (_, policies) => {
  test.each(['in the log', 'on the audit trail'])('can be revoked by its accessor, which is %s', async where => {
    const trail = where === 'on the audit trail'
    const bench = await GateBench.start({ policies, ...(trail ? { uses: new PostgresUses(db, log) } : {}) })
    await bench.stack.write('auth/approle/role/app', { token_policies: ['default'] })
    const task = fresh().slice('test:'.length)
    bench.scheduler.tasks.set(task, {})
    const { token } = await bench.open(await bench.ask(task))
    const entries = await db.selectFrom('audit').select('entry').where('entry', 'like', `%${task}"%`).execute()
    const detail = trail
      ? JSON.parse(entries[0]?.entry ?? '{}').detail
      : JSON.parse(bench.lines.find(line => line.includes('token issued')) ?? '{}')
    const { accessor } = detail as { accessor: string }
    await revokeAccessor(bench.stack.vault, bench.stack.root, accessor)
    await expect(lookupSelf(bench.stack.vault, token)).rejects.toMatchObject({ kind: 'denied' })
    // and where it is on the trail, the log need not know it
    expect(bench.lines.join('').includes(accessor)).toBe(!trail)
    await bench.close()
  })
})

test('one that was kept is given back when its answer never left', async () => {
  const task = fresh()
  const uses = new PostgresUses(db, log)
  const use = await uses.take(task, 1, signal)
  await use.keep(FACTS)
  await use.giveBack()
  const again = await takeUse(db, task, 1, 1_000)
  expect(again.outcome).toBe('taken')
  await giveUseBack(db, again.use ?? 0)
  await uses.close()
})
