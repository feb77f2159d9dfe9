import { type RawBuilder, sql } from 'kysely'
import { ERRORS } from '../../protocol/errors.ts'
import type { Database, Tx } from './database.ts'
import type { Job } from './jobs.ts'
import { PLANNED_ONCE } from './pg-client.ts'
import { notify } from './wakeups.ts'

/** How many jobs may run at once. */
export interface Limits {
  /** Of all nodes together; 0: no limit. */
  readonly all: number
  /** Of one queue, by its name: the first pattern that fits counts; 1 where none does. */
  readonly widths: readonly QueueWidth[]
}

export interface QueueWidth {
  /** `*` stands for any text. */
  readonly pattern: string
  readonly width: number
}

export const NO_LIMITS: Limits = { all: 0, widths: [] }

/**
 * Claims the oldest waiting job of each queue that has a place free, at most `free`, for this node, those first that wait longest
 * (`claim_jobs` in migration 013). `yielding`: none at all while there are jobs to take over, which come first. The index `jobs_one_running_per_slot` would refuse a job in a place that is taken even if that
 * were wrong.
 */
export async function claimJobs(
  db: Database,
  node: string,
  free: number,
  leaseMs: number,
  limits: Limits = NO_LIMITS,
  { yielding = false }: { yielding?: boolean } = {},
): Promise<Job[]> {
  if (free <= 0) return []
  const room = yielding ? sql`case when exists (${abandoned}) then 0 else ${free}::integer end` : sql`${free}`
  const { rows } = await sql<Job>`
    select * from claim_jobs(${node}, ${room}, ${leaseMs}, ${limitValues(limits)})`.execute(db)
  return rows.toSorted((a, b) => a.seq - b.seq)
}

/** As `claim_jobs` and `enter_queue` take them. */
export function limitValues({ all, widths }: Limits): RawBuilder<unknown> {
  const patterns = widths.map(({ pattern }) => pattern.replaceAll(/[\\%_]/g, String.raw`\$&`).replaceAll('*', '%'))
  return sql`${all}::integer, ${patterns}::text[], ${widths.map(({ width }) => width)}::integer[]`
}

const abandoned = sql`select from jobs where released_at is null and lease_until < now()`

export interface Waiting {
  /** Jobs of this node that are to be killed and are not being stopped yet. */
  readonly killed: readonly string[]
  /** Some job has waited longer than it may. */
  readonly overdue: boolean
  /** Some job's node has let its lease run out. */
  readonly abandoned: boolean
}

/** What there is to do beside new jobs: nearly always nothing, which is then known after one statement. */
export async function lookAround(db: Database, node: string): Promise<Waiting> {
  const { rows } = await sql<Waiting>`${PLANNED_ONCE}
    select
      array(select id from jobs where node = ${node} and status = 'running' and kill_requested) as killed,
      exists (select from jobs where status = 'queued' and queue_until < now()) as overdue,
      exists (${abandoned}) as abandoned`.execute(db)
  return rows[0] ?? { killed: [], overdue: true, abandoned: true }
}

/**
 * Takes over jobs whose node has let its lease run out: those that run, or those that have ended and were never released.
 */
export async function reclaimJobs(
  db: Database,
  node: string,
  free: number,
  leaseMs: number,
  which: 'running' | 'ended' | 'all' = 'all',
): Promise<Job[]> {
  if (free <= 0) return []
  const live = sql`status in ('running', 'stopping')`
  const wanted = which === 'all' ? sql`true` : which === 'running' ? live : sql`not (${live})`
  const { rows } = await sql<Job>`
    update jobs set node = ${node}, attempt = attempt + 1, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where id in (
      select id from jobs where released_at is null and lease_until < now() and ${wanted}
      order by lease_until limit ${free} for update skip locked)
    returning *`.execute(db)
  return rows
}

/** Extends the leases of this node's jobs; answers the ids that it still holds. Whoever is missing was taken over. */
export async function renewLeases(
  db: Database,
  node: string,
  held: readonly { id: string; attempt: number }[],
  leaseMs: number,
): Promise<string[]> {
  if (held.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    with mine as materialized (
      select jobs.id
      from jobs join unnest(${held.map(job => job.id)}::text[], ${held.map(job => job.attempt)}::int[]) as held(id, attempt)
        using (id, attempt)
      -- in the order in which the ends of several jobs are recorded: otherwise the two could wait for each other
      where node = ${node} and released_at is null order by jobs.id for update of jobs)
    update jobs set lease_until = now() + ${leaseMs} * interval '1 millisecond'
    from mine where jobs.id = mine.id returning jobs.id`.execute(db)
  return rows.map(row => row.id)
}

/**
 * Ends one job that has waited longer than it may, without starting it; answers it, for its release, or undefined when there is
 * none. One at a time: two nodes that each end several could wait for each other's queues.
 */
export async function endOverdue(tx: Tx, node: string, leaseMs: number): Promise<Job | undefined> {
  const { rows } = await sql<Job>`
    update jobs set status = 'failed', ended_at = clock_timestamp(), error_code = 'queue_timeout',
      error_text = ${ERRORS.queue_timeout.cause}, sealed_spec = null, sealed_token = null,
      expires_at = now() + keep_seconds * interval '1 second',
      node = ${node}, attempt = attempt + 1, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where id = (
      select id from jobs where status = 'queued' and queue_until < now()
      order by queue_until limit 1 for update skip locked)
    returning *`.execute(tx)
  const job = rows[0]
  if (!job) return undefined
  await notify(tx, 'queue', job.id)
  await notify(tx, 'job', job.id)
  return job
}
