import { pino } from 'pino'
import { makeRecorder } from '../src/server/audit/recorder.ts'
import type { Engine } from '../src/server/jobs/engine.ts'
import { finishJob, releaseJob } from '../src/server/jobs/finish.ts'
import { Meters } from '../src/server/jobs/meters.ts'
import { claimJobs } from '../src/server/store/claims.ts'
import { openDatabase } from '../src/server/store/database.ts'

/** One node of the benchmark of queues, a process of its own: claims, ends and releases until nothing is left, or bare updates. */
const [, , url = '', node = '', kind = '', amount = '0', parallel = '10'] = process.argv
const db = openDatabase(url, () => {})
const NEVER = new AbortController().signal
const DONE = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const

/** A runtime that has nothing to do. */
const runtime = { remove: async () => {} }
const parts = {
  db,
  recorder: makeRecorder(db),
  node,
  runtime,
  settings: {},
  meters: new Meters(),
  log: pino({ level: 'warn' }),
}
const engine = parts as unknown as Engine

/** As a worker does it: what has ended takes no place any more, also while it is being released. */
async function drainQueues(slots: number): Promise<number> {
  let done = 0
  const running = new Set<Promise<void>>()
  const releasing = new Set<Promise<void>>()
  for (;;) {
    const jobs = await claimJobs(db, node, slots - running.size, 60_000)
    for (const job of jobs) {
      const hold = { id: job.id, node, attempt: job.attempt }
      const run = finishJob(engine, job, hold, DONE).then(() => {
        running.delete(run)
        const release = releaseJob(engine, job, hold, NEVER).then(() => {
          done += 1
          releasing.delete(release)
        })
        releasing.add(release)
      })
      running.add(run)
    }
    if (running.size === 0) break
    // as soon as there is room for a few: each claim is a transaction
    while (running.size > slots * 0.75) await Promise.race(running)
    if (jobs.length === 0) await Promise.race(running)
  }
  await Promise.all(releasing)
  return done
}

async function updateBare(total: number, slots: number): Promise<number> {
  let left = total
  const worker = async () => {
    while (left-- > 0) {
      const id = Math.floor(Math.random() * 100_000)
      await db
        .updateTable('bare' as 'jobs')
        .set({ status: 'success' })
        .where('id', '=', String(id))
        .execute()
    }
  }
  await Promise.all(Array.from({ length: slots }, worker))
  return total
}

await db.selectNoFrom(eb => eb.lit(1).as('one')).execute()
process.send?.('ready')
process.once('message', async () => {
  const before = process.cpuUsage()
  const done =
    kind === 'bare' ? await updateBare(Number(amount), Number(parallel)) : await drainQueues(Number(parallel))
  const { user, system } = process.cpuUsage(before)
  process.send?.({ done, cpuMs: (user + system) / 1000 })
  await db.destroy()
  process.disconnect?.()
})
