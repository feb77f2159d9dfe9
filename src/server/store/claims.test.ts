import fc from 'fast-check'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { makeRecorder } from '../audit/recorder.ts'
import { claimJobs, endOverdue, reclaimJobs, renewLeases } from './claims.ts'
import { migrate, openDatabase } from './database.ts'
import { insertJob, type NewJob } from './jobs.ts'
import { HoldLost, handOver, updateRun } from './runs.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
const recorder = makeRecorder(db)
await migrate(db)
afterAll(async () => {
  await db.destroy()
  await database.drop()
})
beforeEach(async () => {
  await db.deleteFrom('jobs').execute()
})

const LEASE_MS = 60_000
let next = 0

async function queue(qname: string, limits?: NewJob['limits']): Promise<string> {
  next += 1
  const id = next.toString(16).padStart(24, '0')
  await db.transaction().execute(tx =>
    insertJob(tx, {
      id,
      qname,
      form: 'sealed',
      image: 'busybox',
      tty: false,
      submitterEntity: 'entity',
      submitterAccessorHash: 'hash',
      sealedSpec: 'vault:v1:spec',
      sealedToken: 'vault:v1:token',
      tokenAccessor: 'accessor',
      tokenRenewAt: null,
      outputLimit: 65_536,
      ...(limits && { limits }),
    }),
  )
  return id
}

const done = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
const claim = async (node: string, free = 10) => (await claimJobs(db, node, free, LEASE_MS)).map(job => job.id)
const end = (id: string, node: string, attempt = 1) => recorder.end({ hold: { id, node, attempt }, outcome: done })

test('the oldest job of each idle queue is claimed, and no second one of a queue', async () => {
  const a1 = await queue('a')
  const b1 = await queue('b')
  const a2 = await queue('a')
  expect((await claim('n1')).sort()).toEqual([a1, b1].sort())
  expect(await claim('n2')).toEqual([])
  await end(a1, 'n1')
  expect(await claim('n2')).toEqual([a2])
})

test('a job that is being stopped keeps its queue busy', async () => {
  const first = await queue('a')
  await queue('a')
  await claim('n1')
  await updateRun(db, { id: first, node: 'n1', attempt: 1 }, { status: 'stopping' })
  expect(await claim('n1')).toEqual([])
})

test('no more than asked for', async () => {
  for (const name of ['a', 'b', 'c']) await queue(name)
  expect(await claim('n1', 2)).toHaveLength(2)
  expect(await claim('n1', 0)).toEqual([])
})

test('a queue of width three runs three, started in their order, and a fourth when one has ended', async () => {
  const limits = {
    all: 0,
    widths: [
      { pattern: 'wide-*', width: 3 },
      { pattern: '*', width: 1 },
    ],
  }
  const ids: string[] = []
  for (let n = 0; n < 5; n += 1) ids.push(await queue('wide-a'))
  const serial = [await queue('narrow'), await queue('narrow')]
  const take = async () => (await claimJobs(db, 'n', 10, LEASE_MS, limits)).map(job => job.id)
  expect(await take()).toEqual([ids[0], serial[0]])
  expect(await take()).toEqual([ids[1]])
  expect(await take()).toEqual([ids[2]])
  expect(await take()).toEqual([])
  await end(ids[1] ?? '', 'n')
  expect(await take()).toEqual([ids[3]])
  const slots = await db.selectFrom('jobs').select('slot').where('status', '=', 'running').orderBy('seq').execute()
  expect(slots.map(({ slot }) => slot)).toEqual([0, 2, 1, 0])
})

test('a wide queue and many claimers: its jobs are taken up in their order', async () => {
  const limits = { all: 0, widths: [{ pattern: 'wide', width: 5 }] }
  const ids: string[] = []
  for (let n = 0; n < 40; n += 1) ids.push(await queue('wide'))
  const work = async (node: string) => {
    for (let idle = 0; idle < 3; ) {
      const jobs = await claimJobs(db, node, 3, LEASE_MS, limits)
      idle = jobs.length > 0 ? 0 : idle + 1
      for (const { id } of jobs.toReversed()) await end(id, node)
    }
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(work))
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('ended_at', 'is not', null)
    .orderBy('started_at')
    .execute()
  expect(rows.map(({ id }) => id)).toEqual(ids)
})

test('claimers of a wide queue at the same time: never more than its width, never one place twice', async () => {
  const limits = {
    all: 0,
    widths: [
      { pattern: 'w%_*', width: 4 },
      { pattern: 'w*', width: 4 },
    ],
  }
  for (let n = 0; n < 12; n += 1) await queue('w')
  const rounds = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      const mine: string[] = []
      for (let round = 0; round < 4; round += 1) {
        mine.push(...(await claimJobs(db, `n${n}`, 5, LEASE_MS, limits)).map(job => job.id))
      }
      return mine
    }),
  )
  // who finds the queue in another's hands goes away: a place may be left for who comes later
  const later: string[] = []
  for (let n = 0; n < 5; n += 1) later.push(...(await claimJobs(db, 'later', 5, LEASE_MS, limits)).map(job => job.id))
  expect([...rounds.flat(), ...later]).toHaveLength(4)
  const running = await db.selectFrom('jobs').select(['seq', 'slot']).where('status', '=', 'running').execute()
  expect(running.map(({ slot }) => slot).toSorted()).toEqual([0, 1, 2, 3])
  const waiting = await db.selectFrom('jobs').select('seq').where('status', '=', 'queued').execute()
  expect(Math.max(...running.map(job => job.seq))).toBeLessThan(Math.min(...waiting.map(job => job.seq)))
})

test('no more than all nodes may run together, also when they claim at the same time', async () => {
  for (let n = 0; n < 20; n += 1) await queue(`q${n}`)
  const limits = { all: 7, widths: [] }
  const claimed = await Promise.all(Array.from({ length: 6 }, (_, n) => claimJobs(db, `n${n}`, 5, LEASE_MS, limits)))
  expect(claimed.flat()).toHaveLength(7)
  expect(await claimJobs(db, 'n', 5, LEASE_MS, limits)).toEqual([])
})

test('a row of a queue says what is in it, whatever happens to its jobs', async () => {
  const first = await queue('a')
  const second = await queue('a')
  const third = await queue('a')
  const row = async () => await db.selectFrom('queues').selectAll().where('qname', '=', 'a').executeTakeFirstOrThrow()
  const seqOf = async (id: string) =>
    (await db.selectFrom('jobs').select('seq').where('id', '=', id).executeTakeFirstOrThrow()).seq
  expect(await row()).toMatchObject({ head: await seqOf(first), running: 0 })
  await claim('n')
  expect(await row()).toMatchObject({ head: await seqOf(second), running: 1 })
  await db.deleteFrom('jobs').where('id', '=', second).execute()
  expect(await row()).toMatchObject({ head: await seqOf(third), running: 1 })
  await updateRun(db, { id: first, node: 'n', attempt: 1 }, { status: 'stopping' })
  expect(await row()).toMatchObject({ running: 1 })
  await end(first, 'n')
  expect(await row()).toMatchObject({ head: await seqOf(third), running: 0 })
  await claim('n')
  expect(await row()).toMatchObject({ head: null, running: 1 })
  await db.updateTable('jobs').set({ status: 'queued' }).where('id', '=', third).execute()
  expect(await row()).toMatchObject({ head: await seqOf(third), running: 0 })
})

test('a job that has waited too long is not claimed, ended once, and the next one is', async () => {
  const late = await queue('a', { run: null, queue: 0, keep: null })
  const next = await queue('a')
  await new Promise(resolve => setTimeout(resolve, 5))
  expect(await claim('n')).toEqual([])
  const ends = await Promise.all(
    Array.from({ length: 5 }, (_, n) => db.transaction().execute(tx => endOverdue(tx, `n${n}`, LEASE_MS))),
  )
  expect(ends.filter(Boolean)).toMatchObject([
    { id: late, status: 'failed', error_code: 'queue_timeout', started_at: null, sealed_spec: null },
  ])
  expect(await claim('n')).toEqual([next])
})

test('the database itself refuses a second running job in a queue', async () => {
  await queue('a')
  await queue('a')
  await expect(db.updateTable('jobs').set({ status: 'running' }).execute()).rejects.toThrow('jobs_one_running_per_slot')
})

test('claimers at the same time never get the same job', async () => {
  const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => queue(`q${i}`)))
  const claimed = await Promise.all(Array.from({ length: 8 }, (_, i) => claim(`n${i}`, 7)))
  expect(claimed.flat().sort()).toEqual([...ids].sort())
})

test('whatever happens in whatever order: one running per queue, first in first out', async () => {
  const actions = fc.array(fc.record({ kind: fc.constantFrom('queue', 'claim', 'end'), which: fc.nat(3) }), {
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(actions, async steps => {
      await db.deleteFrom('jobs').execute()
      const waiting = new Map<string, string[]>()
      const running = new Map<string, string>()
      for (const { kind, which } of steps) {
        const qname = `q${which}`
        if (kind === 'queue') waiting.set(qname, [...(waiting.get(qname) ?? []), await queue(qname)])
        if (kind === 'claim') {
          const expected = [...waiting].filter(([name, ids]) => ids.length > 0 && !running.has(name))
          expect((await claim('n')).sort()).toEqual(expected.map(([, ids]) => ids[0]).sort())
          for (const [name, ids] of expected) running.set(name, ids.shift() ?? '')
        }
        const current = running.get(qname)
        if (kind === 'end' && current) {
          await end(current, 'n')
          running.delete(qname)
        }
      }
    }),
    { numRuns: 25 },
  )
})

test('a lease that has run out is taken over, and the old holder can write nothing more', async () => {
  const id = await queue('a')
  await claimJobs(db, 'slow', 1, 1)
  await new Promise(resolve => setTimeout(resolve, 20))
  const [taken] = await reclaimJobs(db, 'quick', 1, LEASE_MS)
  expect(taken).toMatchObject({ id, node: 'quick', attempt: 2, status: 'running' })
  const stale = { id, node: 'slow', attempt: 1 }
  expect(await renewLeases(db, 'slow', [stale], LEASE_MS)).toEqual([])
  expect(await recorder.start({ hold: stale, containerId: 'c', imageDigest: '', sealedMasks: '' })).toBe(false)
  await expect(updateRun(db, stale, { image_digest: 'late' })).rejects.toThrow(HoldLost)
  expect(await end(id, 'slow')).toBeUndefined()
  expect(await renewLeases(db, 'quick', [{ id, attempt: 2 }], LEASE_MS)).toEqual([id])
})

test('a job ends once', async () => {
  const id = await queue('a')
  await claim('n')
  await end(id, 'n')
  expect(await end(id, 'n')).toBeUndefined()
})

test('what was kept sealed is erased at the end', async () => {
  const id = await queue('a')
  await claim('n')
  await end(id, 'n')
  const job = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  expect(job).toMatchObject({ sealed_spec: null, sealed_token: null, sealed_masks: null, status: 'success' })
})

test('an ended job that was not released is taken over too, and after its release never again', async () => {
  const id = await queue('a')
  await claim('n')
  await end(id, 'n')
  await handOver(db, 'n')
  expect(await reclaimJobs(db, 'm', 5, LEASE_MS)).toMatchObject([{ id, status: 'success', attempt: 2 }])
  const release = (attempt: number) => recorder.release({ hold: { id, node: 'm', attempt }, token: false })
  expect(await release(1)).toBe(false)
  expect(await release(2)).toBe(true)
  expect(await release(2)).toBe(false)
  await handOver(db, 'm')
  expect(await reclaimJobs(db, 'n', 5, LEASE_MS)).toEqual([])
})

test('a kill before the start prevents it', async () => {
  const id = await queue('a')
  await claim('n')
  await db.updateTable('jobs').set({ kill_requested: true }).execute()
  expect(
    await recorder.start({ hold: { id, node: 'n', attempt: 1 }, containerId: 'c', imageDigest: '', sealedMasks: '' }),
  ).toBe(false)
})
