import { type RawBuilder, sql } from 'kysely'
import { ERRORS } from '../../protocol/errors.ts'
import type { Database, Tx } from './database.ts'
import type { Job } from './jobs.ts'
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

const NONE: Limits = { all: 0, widths: [] }
/** Serialises claimers where all nodes have one limit together. Any fixed number. */
const CLAIM_LOCK = 7235

/**
 * Claims the oldest waiting job of each queue that has a place free, at most `free`, for this node, those first that wait longest.
 * The queue's row is held from the first statement on, so the second sees the queue as it is; the index
 * `jobs_one_running_per_slot` would refuse a job in a place that is taken even if both were wrong.
 */
export async function claimJobs(
  db: Database,
  node: string,
  free: number,
  leaseMs: number,
  limits: Limits = NONE,
): Promise<Job[]> {
  if (free <= 0) return []
  return await db.transaction().execute(async tx => {
    const room = Math.min(free, await roomOfAll(tx, limits))
    if (room <= 0) return []
    const width = widthOf(limits.widths)
    const { rows: queues } = await sql<{ qname: string }>`
      select qname from queues where head is not null and running < ${width}
      order by head limit ${room} for update skip locked`.execute(tx)
    if (queues.length === 0) return []
    const { rows } = await sql<Job>`
      with pick as (
        select jobs.id, (
          select min(place) from generate_series(0, ${width} - 1) as place
          where not exists (
            select from jobs busy
            where busy.qname = queues.qname and busy.status in ('running', 'stopping') and busy.slot = place)) as slot
        from queues join jobs on jobs.seq = queues.head
        where queues.qname = any(${queues.map(queue => queue.qname)}::text[])
          and jobs.status = 'queued' and (queue_until is null or queue_until > now())
        for update of jobs skip locked
      )
      update jobs set status = 'running', slot = pick.slot, node = ${node}, attempt = attempt + 1,
        started_at = clock_timestamp(), lease_until = now() + ${leaseMs} * interval '1 millisecond'
      from pick where jobs.id = pick.id returning jobs.*`.execute(tx)
    return rows.toSorted((a, b) => a.seq - b.seq)
  })
}

async function roomOfAll(tx: Tx, { all }: Limits): Promise<number> {
  if (all === 0) return Number.POSITIVE_INFINITY
  await sql`select pg_advisory_xact_lock(${sql.lit(CLAIM_LOCK)})`.execute(tx)
  const { rows } = await sql<{ running: number }>`
    select count(*) as running from jobs where status in ('running', 'stopping')`.execute(tx)
  return all - (rows[0]?.running ?? 0)
}

function widthOf(widths: readonly QueueWidth[]): RawBuilder<number> {
  if (widths.length === 0) return sql`1`
  const patterns = widths.map(({ pattern }) => pattern.replaceAll(/[\\%_]/g, String.raw`\$&`).replaceAll('*', '%'))
  return sql`coalesce((
    select width from unnest(${patterns}::text[], ${widths.map(({ width }) => width)}::int[]) with ordinality as known(pattern, width, n)
    where queues.qname like pattern order by n limit 1), 1)`
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
