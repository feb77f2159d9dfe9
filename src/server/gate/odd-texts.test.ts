import fc from 'fast-check'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { lastEntry } from '../../../test/audit.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/database.ts'
import { GateBench } from '../../../test/gate.ts'
import { verifyAudit } from '../audit/verify.ts'
import { type Database, migrate, openDatabase } from '../store/database.ts'
import type { Task } from './schedulers/scheduler.ts'
import { PostgresUses } from './uses/postgres.ts'

const log = pino({ level: 'silent' })

let database: TestDatabase
let db: Database
let bench: GateBench
beforeAll(async () => {
  database = await createTestDatabase()
  db = openDatabase(database.url, () => {})
  await migrate(db)
})
afterEach(async () => {
  await bench.close()
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const issued = async () => {
  const rows = await db
    .selectFrom('audit')
    .select('entry')
    .where('entry', 'like', '%gate.issued%')
    .orderBy('seq')
    .execute()
  return rows.map(({ entry }) => JSON.parse(entry).detail as Record<string, unknown>)
}
const usesLeft = async () =>
  Number((await sql<{ n: number }>`select count(*) as n from gate_uses`.execute(db)).rows[0]?.n)
/** Of the tokens that Vault has made: a use that is given back must not leave one. */
const accessors = async () => {
  const answer = await bench.stack.vault.send({ method: 'LIST', path: 'auth/token/accessors', token: bench.stack.root })
  return answer?.data?.keys as string[]
}

const ODD = [
  '\0',
  '\ud800',
  'a\udc00',
  '\n',
  '\u2028',
  '\u202e',
  '\u0085',
  '\u001b[2J',
  'x'.repeat(513),
  '"',
  '\\u0000',
  '{{name}}',
]

describe('what a scheduler says of a task', () => {
  const places: readonly ((odd: string) => Partial<Task>)[] = [
    odd => ({ id: `t${odd}` }),
    odd => ({ name: `app${odd}` }),
    odd => ({ group: `g${odd}` }),
    odd => ({ image: `i${odd}` }),
    odd => ({ meta: { agent: `S1${odd}` } }),
    odd => ({ meta: { [`k${odd}`]: 'v' } }),
    odd => ({ addresses: [`10.0.0.1${odd}`] }),
    odd => ({ meta: JSON.parse(`{"__proto__": ${JSON.stringify(odd)}, "constructor": "c", "accessor": "mine"}`) }),
  ]

  test('with odd words in any place: no token, and no use; or the token that is on the trail', async () => {
    bench = await GateBench.start({ uses: new PostgresUses(db, log) })
    let n = 0
    const odd = fc.oneof(fc.constantFrom(...ODD), fc.string({ unit: fc.constantFrom(...ODD, 'a'), maxLength: 4 }))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), odd, async (place, text) => {
        n += 1
        const asked = `t${n}`
        const said = place(text)
        bench.scheduler.tasks.set(asked, { ...said, id: `${said.id ?? ''}${asked}` })
        const [before, uses, made] = [await issued(), await usesLeft(), await accessors()]
        const outcome = await bench.outcome(asked)
        const after = await issued()
        if (outcome === 'token') {
          expect(after).toHaveLength(before.length + 1)
          const { accessor, scheduler, task } = after.at(-1) ?? {}
          expect({ scheduler, task }).toEqual({ scheduler: 'mesos', task: `${said.id ?? ''}${asked}` })
          expect((await accessors()).filter(one => !made.includes(one))).toContain(accessor)
          expect(await usesLeft()).toBe(uses + 1)
        } else {
          expect(outcome).toBe('scheduler_lied')
          expect(after).toHaveLength(before.length)
          // refused before anything was made, and not taken back after it
          expect(await accessors()).toEqual(made)
          expect(await usesLeft()).toBe(uses)
        }
      }),
      { numRuns: 150 },
    )
    expect(await verifyAudit(db)).toMatchObject({ brokenAt: null })
  })

  test('an agent with NUL in its name, which the trail could not hold: Vault is not even asked', async () => {
    bench = await GateBench.start({ uses: new PostgresUses(db, log) })
    bench.scheduler.tasks.set('agent-1', { id: 'agent-1', meta: { framework: 'F', agent: 'S\0' } })
    const made = await accessors()
    expect(await bench.outcome('agent-1')).toBe('scheduler_lied')
    expect(await accessors()).toEqual(made)
    bench.scheduler.tasks.set('agent-1', { id: 'agent-1', meta: { framework: 'F', agent: 'S' } })
    expect(await bench.outcome('agent-1')).toBe('token')
  })

  test('whatever more it says does not take the place of what the gate says', async () => {
    bench = await GateBench.start({ uses: new PostgresUses(db, log) })
    const meta = { scheduler: 'x', task: 'x', name: 'x', pattern: 'x', policies: 'x', accessor: 'x', agent: 'S' }
    bench.scheduler.tasks.set('more-1', { id: 'more-1', meta })
    expect(await bench.outcome('more-1')).toBe('token')
    const mine = { scheduler: 'mesos', task: 'more-1', name: 'app', pattern: '*', policies: ['default'], agent: 'S' }
    expect((await issued()).at(-1)).toEqual({ ...mine, accessor: expect.stringMatching(/^[A-Za-z0-9.]{20,}$/) })
  })
})

describe('what the policies say', () => {
  test.each([
    ['a pattern with NUL', { 'a\0*': { policies: ['default'] } }],
    ['a pattern that ends in half of a pair, as a name may go on', { 'a\ud83d*': { policies: ['default'] } }],
    ['a policy with half of a pair', { '*': { policies: ['a\ud83d'] } }],
    ['a role with NUL', { 'mesos:*': { roles: ['a\0'] } }],
  ])('%s is refused when it is read', async (_, policies) => {
    bench = await GateBench.start({ policies, uses: new PostgresUses(db, log) })
    bench.scheduler.tasks.set('p-1', { id: 'p-1', name: 'a\u{1f600}' })
    expect(await bench.outcome('p-1')).toBe('policies_invalid')
  })

  test('a pattern of a megabyte is not repeated to everybody who asks', async () => {
    bench = await GateBench.start({ policies: { ['a'.repeat(1_000_000)]: {} } })
    bench.scheduler.tasks.set('p-2', {})
    const error = await bench.ask('p-2').catch((refused: unknown) => refused)
    expect(error).toMatchObject({ code: 'policies_invalid' })
    expect((error as Error).message.length).toBeLessThan(5_000)
    expect(bench.gate.problem.length).toBeLessThan(5_000)
  })
})

test('an operator with an odd name does what he does, and it is on the trail', async () => {
  bench = await GateBench.start()
  const { record } = await import('../audit/audit.ts')
  const { Gate } = await import('./gate.ts')
  const gate = new Gate({ ...bench.gate.parts, record: async entry => await record(db, entry) })
  expect(await gate.reload({ address: '10.0.0.1', name: 'oidc-\0\ud800' })).toBe(1)
  expect(await lastEntry(db)).toMatchObject({
    action: 'gate.policies_reloaded',
    detail: { name: 'oidc-\\u0000\\ud800' },
  })
})
