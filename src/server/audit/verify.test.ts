import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { migrate, openDatabase } from '../store/database.ts'
import { record } from './audit.ts'
import { verifyAudit } from './verify.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
await migrate(db)
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const entry = (n: number) =>
  ({ action: 'job.submitted', job: 'a'.repeat(24), actor: `actor ${n} ünï`, detail: { n } }) as const

/** As someone would who owns the database and wants to rewrite the past. */
async function tamper(change: ReturnType<typeof sql>): Promise<void> {
  await db.transaction().execute(async tx => {
    await sql`alter table audit disable trigger audit_append_only`.execute(tx)
    await change.execute(tx)
    await sql`alter table audit enable trigger audit_append_only`.execute(tx)
  })
}

test('a chain that was written at once by many is whole', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => db.transaction().execute(tx => record(tx, entry(n)))))
  expect(await verifyAudit(db)).toMatchObject({ entries: 50, brokenAt: null })
})

test('an entry belongs to the transaction of what it records', async () => {
  const failing = db.transaction().execute(async tx => {
    await record(tx, entry(99))
    throw new Error('what it records did not happen')
  })
  await expect(failing).rejects.toThrow('did not happen')
  expect(await verifyAudit(db)).toMatchObject({ entries: 50, brokenAt: null })
})

test('entries say when, in what order and about which job', async () => {
  const row = await db.selectFrom('audit').select(['entry', 'job_id']).where('seq', '=', 1).executeTakeFirstOrThrow()
  expect(JSON.parse(row.entry)).toMatchObject({
    seq: 1,
    action: 'job.submitted',
    at: expect.stringMatching(/^20\d\d-.*Z$/),
  })
  expect(row.job_id).toBe('a'.repeat(24))
})

test.each(['update audit set entry = entry', 'delete from audit', 'truncate audit'])(
  '%s is refused',
  async statement => {
    await expect(sql.raw(statement).execute(db)).rejects.toThrow('append-only')
  },
)

test('a changed entry is found', async () => {
  await tamper(sql`update audit set entry = replace(entry, 'actor', 'other') where seq = 20`)
  expect(await verifyAudit(db)).toMatchObject({ entries: 19, brokenAt: 20 })
  await tamper(sql`update audit set entry = replace(entry, 'other', 'actor') where seq = 20`)
  expect((await verifyAudit(db)).brokenAt).toBeNull()
})

test('a missing last entry is found', async () => {
  await tamper(sql`delete from audit where seq = 50`)
  expect(await verifyAudit(db)).toMatchObject({ entries: 49, brokenAt: 50 })
})

test('a missing entry in the middle is found', async () => {
  await tamper(sql`delete from audit where seq = 10`)
  expect(await verifyAudit(db)).toMatchObject({ entries: 9, brokenAt: 11 })
})
