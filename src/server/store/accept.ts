import { sql } from 'kysely'
import { type Limits, limitValues, NO_LIMITS } from './claims.ts'
import type { Database } from './database.ts'
import { type Job, type NewJob, rowOf } from './jobs.ts'
import { PLANNED_ONCE } from './pg-client.ts'
import { wakeup } from './wakeups.ts'

/** Who would run it at once. */
export interface Taker {
  readonly node: string
  readonly leaseMs: number
  readonly limits: Limits
}

/**
 * Puts a job into its queue, with its entry in the trail (`AuditEntry` as JSON) and with the key that was reserved for it, in one statement,
 * which is a transaction by itself: the submitter waits for each statement, and so does whoever else appends to the trail. Where it
 * would not have to wait, it is claimed for `taker` with it, and answered; null: it waits. Throws when the reservation has run out and was
 * given away.
 */
export async function acceptJob(
  db: Database,
  job: NewJob,
  entry: string,
  { reservation, taker }: { reservation?: string | undefined; taker?: Taker | null } = {},
): Promise<Job | null> {
  const columns = Object.entries(rowOf(job))
  const claimed = sql`place.slot is not null`
  const claim = Object.entries({
    status: sql`case when ${claimed} then 'running' else 'queued' end`,
    slot: sql`coalesce(place.slot, 0)`,
    node: sql`case when ${claimed} then ${taker?.node ?? ''} else '' end`,
    attempt: sql`case when ${claimed} then 1 else 0 end`,
    started_at: sql`case when ${claimed} then clock_timestamp() end`,
    lease_until: sql`case when ${claimed} then now() + ${taker?.leaseMs ?? 0}::integer * interval '1 millisecond' end`,
  })
  const completed = reservation
    ? sql`update idempotency set job_id = ${job.id} where key = ${reservation} and job_id is null returning key`
    : sql`select`
  const { rows } = await sql<Job | { id: null }>`${PLANNED_ONCE}
    -- the queue first and the trail last, as everywhere: a trigger would come to the queue only after the trail
    with place as materialized (
      select enter_queue(${job.qname}, ${Boolean(taker)}, ${limitValues(taker?.limits ?? NO_LIMITS)}) as slot),
    completed as (${completed}),
    job as (
      insert into jobs (${sql.join([...columns, ...claim].map(([name]) => sql.ref(name)))})
      select ${sql.join([...columns, ...claim].map(([, value]) => value))} from place, completed returning *),
    recorded as (insert into audit (entry) select ${entry} from job)
    select claimed.*, case when claimed.id is null then pg_notify('writ', ${wakeup('queue', job.id)}) end
    from job left join (select * from job where status = 'running') as claimed on true`.execute(db)
  const [row] = rows
  if (!row) throw new Error('the reservation of an idempotency key has run out')
  return row.id === null ? null : row
}
