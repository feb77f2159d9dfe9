import { type RawBuilder, sql } from 'kysely'
import type { JobState } from '../../protocol/job.ts'
import type { Database } from './database.ts'
import type { Job } from './jobs.ts'

/** Jobs of these queues, and those that this identity or token submitted; of these, the ones that match the rest. */
export interface JobFilter {
  readonly qnames: readonly string[]
  readonly entity: string
  readonly accessorHash: string
  /** Null: of any. */
  readonly qname: string | null
  readonly states: readonly JobState[] | null
  readonly since: Date | null
}

/** The last job of a page: when it was submitted, in microseconds of the database's clock, and its number. */
export interface Position {
  readonly micros: number
  readonly seq: number
}

export interface Page {
  readonly skip: number
  readonly limit: number
  readonly after: Position | null
}

export interface ListedJob extends Job {
  readonly micros: number
}

/** With more queues than this, the newest jobs of all are looked at instead of the newest of each queue. */
const EACH_QUEUE = 50

/**
 * One page, newest first. Each reason for which a job may be seen has an index in the order of the list, and gives no more rows than
 * the page can hold: a page costs the same whether there are a thousand ended jobs or a million. `seq` and not `id`, because the
 * indices hold it: with `id` each row had to be fetched, and a list of one queue took twice as long with a million jobs.
 */
export async function listJobs(db: Database, filter: JobFilter, page: Page): Promise<ListedJob[]> {
  const rest = remaining(filter, page.after)
  const order = sql`order by submitted_at desc, seq desc`
  const most = sql`limit ${page.skip + page.limit}`
  const sources = own(filter).map(mine => sql`(select seq from jobs where ${mine} and ${rest} ${order} ${most})`)
  if (filter.qnames.length > EACH_QUEUE) {
    sources.push(sql`(select seq from jobs where qname = any(${filter.qnames}::text[]) and ${rest} ${order} ${most})`)
  } else if (filter.qnames.length > 0) {
    sources.push(sql`(
      select newest.seq from unnest(${filter.qnames}::text[]) as readable(name)
      cross join lateral (select seq from jobs where qname = readable.name and ${rest} ${order} ${most}) newest)`)
  }
  const { rows } = await sql<ListedJob>`
    select jobs.*, (extract(epoch from submitted_at) * 1000000)::bigint as micros from jobs
    where seq in (${sql.join(sources, sql` union all `)})
    ${order} offset ${page.skip} limit ${page.limit}`.execute(db)
  return rows
}

/** How many jobs match, but no more than `most`: an exact number of a million takes longer than everything else together. */
export async function countJobs(db: Database, filter: JobFilter, most: number): Promise<number> {
  const rest = remaining(filter, null)
  const sources = own(filter).map(mine => sql`(select seq from jobs where ${mine} and ${rest} limit ${most})`)
  if (filter.qnames.length > 0) {
    sources.push(sql`(
      select part.seq from unnest(${filter.qnames}::text[]) as readable(name)
      cross join lateral (select seq from jobs where qname = readable.name and ${rest} limit ${most}) part limit ${most})`)
  }
  const { rows } = await sql<{ total: number }>`
    select count(*) as total from (${sql.join(sources, sql` union `)}) as found`.execute(db)
  return Math.min(most, rows[0]?.total ?? 0)
}

function own({ entity, accessorHash }: JobFilter): RawBuilder<unknown>[] {
  return [
    sql`submitter_accessor_hash = ${accessorHash}`,
    // an empty entity is no identity: two tokens without one are two strangers
    ...(entity === '' ? [] : [sql`submitter_entity = ${entity} and submitter_entity <> ''`]),
  ]
}

function remaining({ qname, states, since }: JobFilter, after: Position | null): RawBuilder<unknown> {
  return sql.join(
    [
      sql`true`,
      ...(qname === null ? [] : [sql`qname = ${qname}`]),
      ...(states === null ? [] : [sql`status = any(${states}::text[])`]),
      ...(since === null ? [] : [sql`submitted_at >= ${since}`]),
      ...(after === null
        ? []
        : [
            sql`(submitted_at, seq) < (timestamptz 'epoch' + ${after.micros}::bigint * interval '1 microsecond', ${after.seq}::bigint)`,
          ]),
    ],
    sql` and `,
  )
}

/** Names of all queues that have a job on record. Goes from name to name in the index: its cost is the number of queues. */
export async function queueNames(db: Database): Promise<string[]> {
  const { rows } = await sql<{ qname: string }>`
    with recursive names(qname) as (
      (select qname from jobs order by qname limit 1)
      union all
      select (select jobs.qname from jobs where jobs.qname > names.qname order by jobs.qname limit 1)
      from names where names.qname is not null)
    select qname from names where qname is not null`.execute(db)
  return rows.map(row => row.qname)
}

export interface QueueDepth {
  readonly qname: string
  readonly waiting: number
  readonly running: number
  readonly oldest: Date | null
}

/** What waits and runs, of each queue that has something of it. */
export async function queueDepths(db: Database): Promise<QueueDepth[]> {
  const { rows } = await sql<QueueDepth>`
    select qname, count(*) filter (where status = 'queued') as waiting,
      count(*) filter (where status <> 'queued') as running,
      min(submitted_at) filter (where status = 'queued') as oldest
    from (
      select qname, status, submitted_at from jobs where status = 'queued'
      union all
      select qname, status, submitted_at from jobs where status in ('running', 'stopping')) as live
    group by qname`.execute(db)
  return rows
}
