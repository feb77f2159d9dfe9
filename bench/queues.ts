import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { verifyAudit } from '../src/server/audit/verify.ts'
import { type Database, migrate, openDatabase } from '../src/server/store/database.ts'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { insertJob } from '../src/server/store/jobs.ts'
import { familyCpuMs, parentOf } from './processor.ts'

/**
 * How fast three nodes take jobs out of many queues, which hold what submissions have left there: each job claimed, its start and its
 * end recorded, and released, with a runtime and a Vault that do nothing. The baseline is what PostgreSQL does at the same moment from as
 * many connections: one UPDATE of one row for each transaction, two of them for a job. Then the history is checked: all ended, no two
 * of one queue at once, none before an earlier one, and everything on record.
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
      `claimed to released                 ${rate(ours)} jobs/s in ${(ours.ms / 1000).toFixed(1)} s`,
      `ratio to two bare UPDATEs a job     ${(ours.done / ours.ms / (bare.done / 2 / bare.ms)).toFixed(2)}`,
      `transactions a job                  ${perJob.toFixed(2)}`,
      `processor time a job                ${(ours.cpuMs / ours.done).toFixed(2)} ms of the nodes, ${databaseMs.toFixed(2)} ms of the database`,
      `sessions waited for                 ${waits.text}`,
      `jobs ended                          ${ours.done}`,
      `overlaps or breaks of order         ${await violations(db)}`,
      `audit trail                         ${await trail(db, Number(jobs))}`,
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

/** The first job as a submission makes it, the others after its image: what is of each alone is made anew. */
async function fill(db: Database, jobs: number, queues: number): Promise<void> {
  await db.transaction().execute(tx =>
    insertJob(tx, {
      id: '0'.repeat(24),
      qname: 'queue 0',
      form: 'sealed',
      image: 'registry.example.com/team/image:1.2.3',
      tty: false,
      submitterEntity: '6f5b9f3e-8a7c-4d31-9f0e-2b1f0c9a7d55',
      submitterAccessorHash: 'a'.repeat(64),
      authoritySha256: '0',
      // as long as the ciphertext of a small job and of its token
      sealedSpec: `vault:v1:${randomBytes(480).toString('base64')}`,
      sealedToken: `vault:v1:${randomBytes(123).toString('base64')}`,
      tokenAccessor: '0',
      tokenRenewAt: new Date(Date.now() + 3_600_000),
      outputLimit: 64 * 2 ** 20,
    }),
  )
  const { rows } = await sql<{ name: string }>`
    select column_name as name from information_schema.columns
    where table_name = 'jobs' and is_identity = 'NO'
      and column_name not in ('id', 'qname', 'authority_sha256', 'token_accessor')`.execute(db)
  const same = sql.join(rows.map(({ name }) => sql.ref(name)))
  await sql`
    insert into jobs (id, qname, authority_sha256, token_accessor, ${same})
    select lpad(to_hex(n), 24, '0'), 'queue ' || (n % ${queues}), encode(sha256(n::text::bytea), 'hex'), md5(n::text), ${same}
    from jobs, generate_series(1, ${jobs - 1}::int) n`.execute(db)
  const submitted = { action: 'job.submitted', actor: 'token (entity)', detail: { form: 'sealed' } } as const
  await sql`
    insert into audit (entry) select (${JSON.stringify(submitted)}::jsonb || jsonb_build_object('job', id))::text
    from jobs order by seq`.execute(db)
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

/** The trail is whole, and says of each job what is to be said, once. */
async function trail(db: Database, jobs: number): Promise<string> {
  const { entries, brokenAt } = await verifyAudit(db)
  const { rows } = await sql<{ action: string; count: number; of: number }>`
    select entry::jsonb->>'action' as action, count(*) as count, count(distinct job_id) as of
    from audit group by action`.execute(db)
  const wrong = rows.filter(({ count, of }) => count !== jobs || of !== jobs)
  const verdict = brokenAt === null && wrong.length === 0 ? 'whole' : `BROKEN: ${JSON.stringify({ brokenAt, wrong })}`
  return `${entries} entries, ${rows.length} of each job, ${verdict}`
}

async function violations(db: Database): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (
      select started_at, ended_at, lag(ended_at) over (partition by qname order by seq) as before from jobs) as history
    where started_at < before or started_at is null or ended_at is null`.execute(db)
  return rows[0]?.count ?? Number.NaN
}
