import { pino } from 'pino'
import { makeRecorder } from '../src/server/audit/recorder.ts'
import type { Engine } from '../src/server/jobs/engine.ts'
import { finishJob, releaseJob } from '../src/server/jobs/finish.ts'
import { Meters } from '../src/server/jobs/meters.ts'
import { claimJobs } from '../src/server/store/claims.ts'
import { openDatabase } from '../src/server/store/database.ts'
import type { Job } from '../src/server/store/jobs.ts'
import { Secret } from '../src/vault/secret.ts'

/** One node of the benchmark of queues, a process of its own: claims, ends and releases until nothing is left, or bare updates. */
/** On record with a start. */
const MADE = { imageDigest: 'sha256:bench', sealedMasks: 'vault:v1:bench' }
const [, , url = '', node = '', kind = '', amount = '0', parallel = '10'] = process.argv
const db = openDatabase(url, () => {})
const NEVER = new AbortController().signal
const DONE = { status: 'success', returnCode: 0, errorCode: '', errorText: '' } as const

/** A runtime that has nothing to do, and a Vault that revokes every token at once. */
const runtime = { remove: async () => {} }
const vault = { send: async () => null }
const wakeups = { tellHere: () => {} }
const identity = { token: () => new Secret('of the server') }
const parts = {
  db,
  recorder: makeRecorder(db),
  node,
  runtime,
  vault,
  identity,
  wakeups,
  settings: {},
  meters: new Meters(),
  log: pino({ level: 'warn' }),
}
const engine = parts as unknown as Engine

/** As a worker does it: what has ended takes no place any more, also while it is being released. */
async function drainQueues(slots: number): Promise<number> {
  let [done, running, releasing] = [0, 0, 0]
  let changed = Promise.withResolvers<void>()
  const change = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const carryOut = async (job: Job) => {
    const hold = { id: job.id, node, attempt: job.attempt }
    running += 1
    if (!(await parts.recorder.start({ hold, ...MADE, containerId: job.id })))
      throw new Error(`${job.id} may not start`)
    await finishJob(engine, job, hold, DONE)
    running -= 1
    releasing += 1
    change()
    await releaseJob(engine, job, hold, NEVER)
    releasing -= 1
    done += 1
    change()
  }
  for (;;) {
    const jobs = await claimJobs(db, node, slots - running, 60_000)
    for (const job of jobs) void carryOut(job)
    if (running === 0) break
    if (jobs.length === 0) await changed.promise
    // as soon as there is room for a few: each claim is a transaction
    while (running > slots * 0.75) await changed.promise
  }
  while (releasing > 0) await changed.promise
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
