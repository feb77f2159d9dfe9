import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestEngine, type TestEngine } from '../../../test/engine.ts'
import { claimJobs, reclaimJobs, renewLeases } from '../store/claims.ts'
import { findJob } from '../store/jobs.ts'
import type { Hold } from '../store/runs.ts'
import { endRuns, releaseRuns, startRuns } from './runs.ts'
import { verifyAudit } from './verify.ts'

let t: TestEngine
beforeAll(async () => {
  t = await startTestEngine()
})
afterAll(() => t.close())
beforeEach(async () => {
  await t.engine.db.deleteFrom('jobs').execute()
})

const DONE = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
/** What is recorded of a start. */
const MADE = { containerId: 'c', imageDigest: 'sha256:1', sealedMasks: 'vault:v1:masks' }
const WIDE = { all: 0, widths: [{ pattern: '*', width: 50 }] }

/** Running jobs, oldest first, of this node. */
async function running(count: number, node = 'node-1', queue = (n: number) => `${node} ${n}`): Promise<Hold[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n += 1) ids.push(await t.queue({ qname: queue(n) }))
  const claimed = new Map<string, Hold>()
  while (claimed.size < count) {
    for (const { id, attempt } of await claimJobs(t.engine.db, node, count, 60_000, WIDE)) {
      claimed.set(id, { id, node, attempt })
    }
  }
  return ids.map(id => claimed.get(id) as Hold)
}

async function trail(): Promise<[job: string, action: string][]> {
  const rows = await t.engine.db.selectFrom('audit').select('entry').orderBy('seq').execute()
  return rows.map(({ entry }) => JSON.parse(entry)).map(({ job, action }) => [job, action])
}

const entriesOf = async (hold: Hold) => (await trail()).filter(([job]) => job === hold.id).map(([, action]) => action)

test('each run of a batch is fenced by itself: who has lost one writes nothing of it, and all of the others', async () => {
  const [kept, taken, other] = (await running(3)) as [Hold, Hold, Hold]
  await t.engine.db
    .updateTable('jobs')
    .set({ lease_until: new Date(0) })
    .where('id', '=', taken.id)
    .execute()
  expect(await reclaimJobs(t.engine.db, 'node-2', 5, 60_000)).toMatchObject([{ id: taken.id, attempt: 2 }])
  const batch = [other, taken, kept].map(hold => ({ hold, outcome: DONE, ...MADE, token: true }))
  expect(await startRuns(t.engine.db, batch)).toEqual([true, false, true])
  expect(await endRuns(t.engine.db, batch)).toMatchObject([{ id: other.id }, undefined, { id: kept.id }])
  expect(await endRuns(t.engine.db, batch)).toEqual([undefined, undefined, undefined])
  expect(await releaseRuns(t.engine.db, batch)).toEqual([true, false, true])
  expect(await releaseRuns(t.engine.db, batch)).toEqual([false, false, false])
  expect(await findJob(t.engine.db, taken.id)).toMatchObject({ status: 'running', node: 'node-2', stage: 'preparing' })
  expect(await entriesOf(taken)).toEqual([])
  const all = ['job.starting', 'job.ended', 'job.container_removed', 'job.token_revoked']
  expect(await entriesOf(kept)).toEqual(all)
  expect(await entriesOf(other)).toEqual(all)
  expect((await verifyAudit(t.engine.db)).brokenAt).toBeNull()
})

test('the same job held twice, by an attempt that is over and by the one that counts', async () => {
  const [old] = (await running(1)) as [Hold]
  await t.engine.db
    .updateTable('jobs')
    .set({ lease_until: new Date(0) })
    .execute()
  await reclaimJobs(t.engine.db, 'node-1', 5, 60_000)
  const now = { ...old, attempt: 2 }
  const batch = [old, now].map(hold => ({ hold, outcome: { ...DONE, returnCode: hold.attempt } }))
  expect(await endRuns(t.engine.db, batch)).toMatchObject([undefined, { id: old.id, attempt: 2 }])
  expect(await findJob(t.engine.db, old.id)).toMatchObject({ return_code: 2 })
})

test('a kill before the start prevents that one', async () => {
  const [killed, other] = (await running(2)) as [Hold, Hold]
  await t.engine.db.updateTable('jobs').set({ kill_requested: true }).where('id', '=', killed.id).execute()
  expect(
    await startRuns(
      t.engine.db,
      [killed, other].map(hold => ({ hold, ...MADE })),
    ),
  ).toEqual([false, true])
  expect(await entriesOf(killed)).toEqual([])
})

test('a kill that comes while the batch waits for its row prevents the start, too', async () => {
  const [killed, other] = (await running(2)) as [Hold, Hold]
  let started: Promise<boolean[]> | undefined
  await t.engine.db.transaction().execute(async tx => {
    await tx.updateTable('jobs').set({ kill_requested: true }).where('id', '=', killed.id).execute()
    started = startRuns(
      t.engine.db,
      [killed, other].map(hold => ({ hold, ...MADE })),
    )
    await blocked()
  })
  expect(await started).toEqual([false, true])
})

/** Until a session waits for a lock. */
async function blocked(): Promise<void> {
  const client = new pg.Client({ connectionString: t.url })
  await client.connect()
  try {
    await expect
      .poll(async () => {
        const { rows } = await client.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return rows.length
      })
      .toBeGreaterThan(0)
  } finally {
    await client.end()
  }
}

test('one bad end among others fails alone, and its job can still end', async () => {
  const holds = await running(5)
  const bad = holds[2] as Hold
  // a byte that PostgreSQL takes in no text
  const outcome = (hold: Hold) => (hold === bad ? { ...DONE, errorText: 'nul \0 byte' } : DONE)
  const ends = await Promise.allSettled(holds.map(hold => t.engine.recorder.end({ hold, outcome: outcome(hold) })))
  expect(ends.map(end => end.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(await findJob(t.engine.db, bad.id)).toMatchObject({ status: 'running' })
  for (const hold of holds) expect(await entriesOf(hold)).toEqual(hold === bad ? [] : ['job.ended'])
  expect(await t.engine.recorder.end({ hold: bad, outcome: DONE })).toMatchObject({ id: bad.id })
})

test('what cannot be recorded does not happen, and what can does', async () => {
  const holds = await running(3)
  const bad = holds[1] as Hold
  const { db, recorder } = t.engine
  await sql`alter table audit add constraint refused check (entry not like ${sql.lit(`%${bad.id}%`)}) not valid`.execute(
    db,
  )
  try {
    const go = await Promise.allSettled(holds.map(hold => recorder.start({ hold, ...MADE })))
    expect(go.map(one => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await findJob(db, bad.id)).toMatchObject({ stage: 'preparing', container_id: '' })
    const ends = await Promise.allSettled(holds.map(hold => recorder.end({ hold, outcome: DONE })))
    expect(ends.map(one => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await findJob(db, bad.id)).toMatchObject({ status: 'running' })
    const releases = await Promise.allSettled(holds.map(hold => recorder.release({ hold, token: true })))
    expect(releases.map(one => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await findJob(db, bad.id)).toMatchObject({ released_at: null })
  } finally {
    await sql`alter table audit drop constraint refused`.execute(db)
  }
  expect((await verifyAudit(db)).brokenAt).toBeNull()
})

test('two nodes with runs of the same queues never wait for each other', async () => {
  for (let round = 0; round < 8; round += 1) {
    const mine = await running(12, 'node-1', n => `wide ${n}`)
    const theirs = await running(12, 'node-2', n => `wide ${11 - n}`)
    const end = (holds: Hold[]) =>
      endRuns(
        t.engine.db,
        holds.map(hold => ({ hold, outcome: DONE })),
      )
    const ends = await Promise.all([
      end(mine),
      end(theirs.toReversed()),
      renewLeases(t.engine.db, 'node-1', mine.toReversed(), 60_000),
      renewLeases(t.engine.db, 'node-2', theirs.toReversed(), 60_000),
    ])
    expect(ends[0].concat(ends[1]).filter(Boolean)).toHaveLength(24)
  }
})

test('many that end at once: every follower hears of it, in notifications that fit', async () => {
  const holds = await running(350)
  const never = new AbortController().signal
  await expect.poll(() => t.engine.wakeups.listening).toBe(true)
  const followers = holds.map(hold => t.engine.wakeups.watchJob(hold.id, never))
  for (const follower of followers) await follower.next(0)
  const heard = Promise.all(followers.map(follower => follower.next(60_000)))
  await endRuns(
    t.engine.db,
    holds.map(hold => ({ hold, outcome: DONE })),
  )
  await heard
  for (const follower of followers) follower.close()
})
