import fc from 'fast-check'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { makeRecorder } from '../audit/recorder.ts'
import { acceptJob, type Taker } from './accept.ts'
import { claimJobs, NO_LIMITS } from './claims.ts'
import { migrate, openDatabase } from './database.ts'
import { reserveKey } from './idempotency.ts'
import { Wakeups } from './wakeups.ts'

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
const ENTRY = JSON.stringify({ action: 'job.submitted', actor: 'me' })
const TAKER: Taker = { node: 'n', leaseMs: LEASE_MS, limits: NO_LIMITS }
const done = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const
let next = 0

function newId(): string {
  next += 1
  return next.toString(16).padStart(24, '0')
}

async function accept(qname: string, taker: Taker | null = TAKER, id = newId(), reservation?: string) {
  const job = {
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
  } as const
  return { id, claimed: await acceptJob(db, job, ENTRY, { taker, reservation }) }
}

/** Whether it would run at once. */
const taken = async (qname: string, limits = NO_LIMITS) => (await accept(qname, { ...TAKER, limits })).claimed !== null
const claim = async (limits = NO_LIMITS) => (await claimJobs(db, 'n', 10, LEASE_MS, limits)).map(job => job.id)
const end = (id: string, node = 'n') => recorder.end({ hold: { id, node, attempt: 1 }, outcome: done })
const rowOf = (id: string) => db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const queueRow = (qname: string) =>
  db.selectFrom('queues').selectAll().where('qname', '=', qname).executeTakeFirstOrThrow()

test('a job that would not have to wait is claimed as it is stored, and looks as any claimed one', async () => {
  const { id, claimed } = await accept('a')
  expect(claimed).toMatchObject({ id, node: 'n', attempt: 1, status: 'running', stage: 'preparing', slot: 0 })
  const row = await rowOf(id)
  const { id: other } = await accept('b', null)
  expect(await claim()).toEqual([other])
  const usual = await rowOf(other)
  const differing = Object.keys(row).filter(
    key => JSON.stringify(row[key as keyof typeof row]) !== JSON.stringify(usual[key as keyof typeof usual]),
  )
  expect(differing.toSorted()).toEqual(['id', 'lease_until', 'qname', 'seq', 'started_at', 'submitted_at'])
  const left = (row.lease_until?.getTime() ?? 0) - row.submitted_at.getTime()
  expect(left).toBe(LEASE_MS)
  expect(row.started_at?.getTime()).toBeGreaterThanOrEqual(row.submitted_at.getTime())
  expect(await queueRow('a')).toMatchObject({ head: null, running: 1 })
  await end(id)
  expect(await queueRow('a')).toMatchObject({ head: null, running: 0 })
})

test('without anybody to run it, it waits, and all nodes are told', async () => {
  const wakeups = new Wakeups(database.url, () => {})
  await expect.poll(() => wakeups.listening).toBe(true)
  let told = 0
  wakeups.onQueue(() => {
    told += 1
  })
  const { id, claimed } = await accept('a', null)
  expect(claimed).toBeNull()
  await expect.poll(() => told).toBe(1)
  expect(await rowOf(id)).toMatchObject({ status: 'queued', node: '', attempt: 0, started_at: null, lease_until: null })
  await claim()
  // one that is claimed is nobody else's business
  expect(await taken('b')).toBe(true)
  await accept('c', null)
  await expect.poll(() => told).toBe(2)
  await wakeups.close()
})

test('it waits while another one of its queue runs or is being stopped', async () => {
  const { id } = await accept('a')
  expect(await taken('a')).toBe(false)
  await db.updateTable('jobs').set({ status: 'stopping' }).where('id', '=', id).execute()
  expect(await taken('a')).toBe(false)
})

test('it does not pass one that waits, in its queue or for a place on any node', async () => {
  const { id } = await accept('a', null)
  expect(await taken('a')).toBe(false)
  expect(await taken('b')).toBe(false)
  expect(await claim()).toContain(id)
  // what waits behind a job of its own queue wants no place
  expect(await taken('c')).toBe(true)
})

test('it waits while there is a job to take over', async () => {
  const { id } = await accept('a')
  await db
    .updateTable('jobs')
    .set({ lease_until: new Date(0) })
    .where('id', '=', id)
    .execute()
  expect(await taken('b')).toBe(false)
})

test('a queue of width three takes in three, each in a place of its own', async () => {
  const limits = { all: 0, widths: [{ pattern: 'wide-*', width: 3 }] }
  const first = await accept('wide-a', { ...TAKER, limits })
  const second = await accept('wide-a', { ...TAKER, limits })
  expect(await taken('wide-a', limits)).toBe(true)
  expect(await taken('wide-a', limits)).toBe(false)
  expect([first, second].map(({ claimed }) => claimed?.slot)).toEqual([0, 1])
  await end(first.id)
  // the place is for the one that waits
  expect(await taken('wide-a', limits)).toBe(false)
  await claim(limits)
  await end(second.id)
  await claim(limits)
  const slots = await db.selectFrom('jobs').select('slot').where('status', '=', 'running').orderBy('seq').execute()
  expect(slots.map(({ slot }) => slot)).toEqual([2, 0, 1])
})

test('no more than all nodes may run together', async () => {
  const limits = { all: 3, widths: [] }
  const at = await Promise.all(Array.from({ length: 8 }, (_, n) => accept(`q${n}`, { ...TAKER, limits })))
  const running = at.filter(({ claimed }) => claimed).length + (await claim(limits)).length
  expect(running).toBe(3)
  expect(await taken('other', limits)).toBe(false)
})

test('without its reservation nothing is kept', async () => {
  await reserveKey(db, 'key', 'body', 60_000)
  const { id } = await accept('a', TAKER, newId(), 'key')
  expect(await db.selectFrom('idempotency').select('job_id').execute()).toEqual([{ job_id: id }])
  await expect(accept('b', TAKER, newId(), 'key')).rejects.toThrow('reservation')
  expect(await db.selectFrom('jobs').select('id').execute()).toEqual([{ id }])
})

test('many at the same time, with claimers between: one running per queue, in the order of submission', async () => {
  const limits = { all: 0, widths: [{ pattern: 'q0', width: 2 }] }
  let submitting = true
  const finish = async (node: string, ids: string[]) => {
    for (const id of ids) await end(id, node)
  }
  const claimer = async (node: string) => {
    for (let idle = 0; submitting || idle < 3; ) {
      const jobs = await claimJobs(db, node, 3, LEASE_MS, limits)
      idle = jobs.length > 0 ? 0 : idle + 1
      await finish(
        node,
        jobs.map(job => job.id),
      )
    }
  }
  const submitter = async (node: string) => {
    for (let n = 0; n < 30; n += 1) {
      const { id, claimed } = await accept(`q${n % 3}`, { node, leaseMs: LEASE_MS, limits })
      if (claimed) await finish(node, [id])
    }
  }
  const claimers = ['a', 'b'].map(claimer)
  await Promise.all(['c', 'd', 'e', 'f'].map(submitter))
  submitting = false
  await Promise.all(claimers)
  const rows = await db.selectFrom('jobs').select(['qname', 'seq', 'status', 'attempt']).orderBy('started_at').execute()
  expect(rows).toHaveLength(120)
  expect(rows.every(row => row.status === 'success' && row.attempt === 1)).toBe(true)
  for (const [, queue] of Map.groupBy(rows, row => row.qname)) {
    expect(queue.map(row => row.seq)).toEqual(queue.map(row => row.seq).toSorted((a, b) => a - b))
  }
})

test('whatever happens in whatever order: first in first out, and only who need not wait goes at once', async () => {
  const kinds = fc.constantFrom('accept', 'queue', 'claim', 'end')
  const actions = fc.array(fc.record({ kind: kinds, which: fc.nat(2) }), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(actions, async steps => {
      await db.deleteFrom('jobs').execute()
      const waiting = new Map<string, string[]>()
      const running = new Map<string, string>()
      const ready = () => [...waiting].filter(([name, ids]) => ids.length > 0 && !running.has(name))
      for (const { kind, which } of steps) {
        const qname = `q${which}`
        if (kind === 'accept' || kind === 'queue') {
          const atOnce = kind === 'accept' && !running.has(qname) && ready().length === 0
          const { id, claimed } = await accept(qname, kind === 'accept' ? TAKER : null)
          expect(claimed !== null).toBe(atOnce)
          if (atOnce) running.set(qname, id)
          else waiting.set(qname, [...(waiting.get(qname) ?? []), id])
        }
        if (kind === 'claim') {
          const expected = ready()
          expect((await claim()).sort()).toEqual(expected.map(([, ids]) => ids[0]).sort())
          for (const [name, ids] of expected) running.set(name, ids.shift() ?? '')
        }
        const current = running.get(qname)
        if (kind === 'end' && current) {
          await end(current)
          running.delete(qname)
        }
      }
    }),
    { numRuns: 25 },
  )
})
