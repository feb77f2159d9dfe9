import { afterAll, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import type { FinalState } from '../../protocol/job.ts'
import { verifyAudit } from '../audit/verify.ts'
import { migrate, openDatabase } from '../store/database.ts'
import type { Engine } from './engine.ts'
import { removeExpired } from './retention.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
await migrate(db)
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

async function ended(id: string, minutesAgo: number, released: boolean, status: FinalState = 'success'): Promise<void> {
  const then = new Date(Date.now() - minutesAgo * 60_000)
  const job = {
    id,
    qname: id,
    form: 'direct',
    image: 'i',
    tty: false,
    submitter_entity: '',
    submitter_accessor_hash: '',
  } as const
  const end = { status, ended_at: then, released_at: released ? then : null } as const
  await db
    .insertInto('jobs')
    .values({ ...job, ...end })
    .execute()
  await db
    .insertInto('output')
    .values({ job_id: id, start: 0, stream: 'stdout', data: Buffer.from('x') })
    .execute()
}

test('what has been kept long enough goes, with its output; what holds something stays; the trail tells of it', async () => {
  const [old, young, held] = ['a', 'b', 'c'].map(letter => letter.repeat(24)) as [string, string, string]
  await ended(old, 61, true, 'unknown')
  await ended(young, 59, true)
  await ended(held, 61, false)
  await removeExpired({ db, node: 'n', settings: { retentionSeconds: 3600 } } as Engine)
  const left = await db.selectFrom('jobs').select('id').orderBy('id').execute()
  expect(left.map(job => job.id)).toEqual([young, held])
  expect((await db.selectFrom('output').select('job_id').execute()).map(row => row.job_id).sort()).toEqual([
    young,
    held,
  ])
  const trail = await db.selectFrom('audit').select('entry').execute()
  expect(trail.map(row => JSON.parse(row.entry))).toMatchObject([{ action: 'job.expired', job: old }])
  expect((await verifyAudit(db)).brokenAt).toBeNull()
})

test('a job with a time of its own is kept for so long, and no longer', async () => {
  const [short, long] = ['d', 'e'].map(letter => letter.repeat(24)) as [string, string]
  await ended(short, 2, true)
  await ended(long, 120, true)
  const until = (minutes: number) => new Date(Date.now() + minutes * 60_000)
  await db
    .updateTable('jobs')
    .set({ expires_at: until(-1) })
    .where('id', '=', short)
    .execute()
  await db
    .updateTable('jobs')
    .set({ expires_at: until(1) })
    .where('id', '=', long)
    .execute()
  await removeExpired({ db, node: 'n', settings: { retentionSeconds: 3600 } } as Engine)
  const left = (await db.selectFrom('jobs').select('id').execute()).map(job => job.id)
  expect(left).toContain(long)
  expect(left).not.toContain(short)
})
