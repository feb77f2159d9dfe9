import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { type Database, migrate, openDatabase } from '../src/server/store/database.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { familyCpuMs, parentOf } from './processor.ts'

/**
 * How fast three nodes take jobs out of many queues: each job claimed, ended with its audit entry and released, with a runtime that
 * does nothing. The baseline is what PostgreSQL does at the same moment from as many connections: one UPDATE of one row for each
 * transaction, two of them for a job. Then the history is checked: no two of one queue at once, none before an earlier one.
 */
export async function bench([jobs = '100000', queues = '10000', parallel = '50']: string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const postgres = await startEmbeddedPostgres({ directory, maxConnections: 100 })
  const db = openDatabase(postgres.url, () => {})
  try {
    await migrate(db)
    await fill(db, Number(jobs), Number(queues))
    const bare = await nodes(postgres.url, 'bare', String(Math.floor((2 * Number(jobs)) / 3)), parallel)
    const before = await commits(db)
    const postmaster = await postmasterOf(db)
    const cpuBefore = familyCpuMs(postmaster)
    const watched = watchWaits(db)
    const ours = await nodes(postgres.url, 'queues', '0', parallel)
    const waits = await watched.stop()
    const databaseMs = (familyCpuMs(postmaster) - cpuBefore) / ours.done
    const perJob = ((await commits(db)) - before - waits.looks) / ours.done
    const text = [
      `${jobs} jobs in ${queues} queues, 3 nodes with ${parallel} places each`,
      `bare UPDATE transactions            ${rate(bare)} /s`,
      `claimed, ended and released         ${rate(ours)} jobs/s in ${(ours.ms / 1000).toFixed(1)} s`,
      `ratio to two bare UPDATEs a job     ${(ours.done / ours.ms / (bare.done / 2 / bare.ms)).toFixed(2)}`,
      `transactions a job                  ${perJob.toFixed(2)}`,
      `processor time a job                ${(ours.cpuMs / ours.done).toFixed(2)} ms of the nodes, ${databaseMs.toFixed(2)} ms of the database`,
      `sessions waited for                 ${waits.text}`,
      `jobs ended                          ${ours.done}`,
      `overlaps or breaks of order         ${await violations(db)}`,
    ]
    process.stdout.write(`${text.join('\n')}\n`)
  } finally {
    await db.destroy()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Measured {
  readonly done: number
  readonly ms: number
  /** Processor time of the nodes. */
  readonly cpuMs: number
}

const rate = ({ done, ms }: Measured) => Math.round((done / ms) * 1000)

async function fill(db: Database, jobs: number, queues: number): Promise<void> {
  await sql`
    insert into jobs (id, qname, form, image, tty, submitter_entity, submitter_accessor_hash)
    select lpad(to_hex(n), 24, '0'), 'queue ' || (n % ${queues}), 'direct', 'image', false, 'entity', 'hash'
    from generate_series(1, ${jobs}::int) n`.execute(db)
  await sql`create table bare as select n::text as id, 'running' as status from generate_series(0, 99999) n`.execute(db)
  await sql`create unique index on bare (id)`.execute(db)
  await sql`vacuum analyze`.execute(db)
}

async function nodes(url: string, kind: string, amount: string, parallel: string): Promise<Measured> {
  const script = join(import.meta.dirname, 'queue-node.ts')
  const children = ['a', 'b', 'c'].map(name => fork(script, [url, name, kind, amount, parallel]))
  await Promise.all(children.map(child => once(child, 'message')))
  const start = performance.now()
  const answers = children.map(async child => {
    const died = once(child, 'exit').then(() => Promise.reject(new Error('a node of the benchmark died')))
    child.send('go')
    const [answer] = (await Promise.race([once(child, 'message'), died])) as [{ done: number; cpuMs: number }]
    return answer
  })
  const all = await Promise.all(answers)
  const ms = performance.now() - start
  const sum = (of: 'done' | 'cpuMs') => all.reduce((total, one) => total + one[of], 0)
  return { done: sum('done'), cpuMs: sum('cpuMs'), ms }
}

async function commits(db: Database): Promise<number> {
  // sessions report at most once a second
  await sleep(1_500)
  const { rows } = await sql<{ count: number }>`
    select xact_commit::float8 as count from pg_stat_database where datname = current_database()`.execute(db)
  return rows[0]?.count ?? Number.NaN
}

async function postmasterOf(db: Database): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
  return parentOf(rows[0]?.pid ?? 0)
}

/** What the sessions are found waiting for, by looks at them while something else goes on. */
function watchWaits(db: Database): { stop(): Promise<{ looks: number; text: string }> } {
  const found = new Map<string, number>()
  let looks = 0
  let stopped = false
  const watching = (async () => {
    for (; !stopped; looks += 1) {
      const { rows } = await sql<{ state: string; wait: string | null }>`
        select state, wait_event_type || ':' || wait_event as wait from pg_stat_activity
        where application_name = 'writ' and pid <> pg_backend_pid() and state <> 'idle'`.execute(db)
      for (const { state, wait } of rows) {
        const name = state === 'active' ? (wait ?? 'processor') : 'next statement'
        found.set(name, (found.get(name) ?? 0) + 1)
      }
      await sleep(50)
    }
  })()
  return {
    stop: async () => {
      stopped = true
      await watching
      const all = [...found.values()].reduce((sum, one) => sum + one, 0)
      const most = [...found].toSorted((a, b) => b[1] - a[1]).slice(0, 5)
      return { looks, text: most.map(([name, n]) => `${name} ${Math.round((100 * n) / all)}%`).join(', ') }
    },
  }
}

async function violations(db: Database): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (
      select started_at, lag(ended_at) over (partition by qname order by seq) as before from jobs) as history
    where started_at < before or started_at is null`.execute(db)
  return rows[0]?.count ?? Number.NaN
}
