import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { migrate, openDatabase, type Tx } from '../store/database.ts'
import { verifyAudit } from './verify.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
await migrate(db)
await sql`alter table audit add constraint refused check (entry not like '%refused%')`.execute(db)
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

/** So many entries in one statement; with `fails` the last of them is refused. */
async function write(tx: Tx, entries: number, fails = false): Promise<void> {
  const texts = Array.from({ length: entries }, (_, n) =>
    JSON.stringify({ action: fails && n === entries - 1 ? 'refused' : 'kept' }),
  )
  await sql`insert into audit (entry) select entry from unnest(${texts}::text[]) as entry`.execute(tx)
}

type Step =
  | { readonly kind: 'write' | 'fail' | 'roll back'; readonly entries: number }
  | { readonly kind: 'one statement, two inserts'; readonly entries: number }

async function take(tx: Tx, { kind, entries }: Step): Promise<number> {
  if (kind === 'write') {
    await write(tx, entries)
    return entries
  }
  if (kind === 'one statement, two inserts') {
    await sql`
      with first as (insert into audit (entry) select '{"n":1}' from generate_series(1, ${entries}::int) returning seq)
      insert into audit (entry) select '{"n":2}' from first`.execute(tx)
    return 2 * entries
  }
  await sql`savepoint before`.execute(tx)
  await write(tx, entries, kind === 'fail').catch(() => {})
  await sql`rollback to savepoint before`.execute(tx)
  return 0
}

test('however statements, transactions and what is rolled back are mixed, on several connections: one whole chain', async () => {
  const step = fc.record({
    kind: fc.constantFrom('write', 'fail', 'roll back', 'one statement, two inserts'),
    entries: fc.integer({ min: 0, max: 4 }),
  }) as fc.Arbitrary<Step>
  const transaction = fc.record({ steps: fc.array(step, { maxLength: 5 }), commits: fc.boolean() })
  let kept = 0
  await fc.assert(
    fc.asyncProperty(fc.array(transaction, { maxLength: 4 }), async transactions => {
      const run = async ({ steps, commits }: (typeof transactions)[number]) => {
        let written = 0
        const done = db.transaction().execute(async tx => {
          for (const one of steps) written += await take(tx, one)
          if (!commits) throw new Error('rolled back')
        })
        if (!commits) return expect(done).rejects.toThrow('rolled back')
        await done
        kept += written
      }
      await Promise.all(transactions.map(run))
      expect(await verifyAudit(db)).toMatchObject({ entries: kept, brokenAt: null })
    }),
    { numRuns: 40 },
  )
})
