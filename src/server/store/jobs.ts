import { type Selectable, sql } from 'kysely'
import type { JobState } from '../../protocol/job.ts'
import type { Database, Tx } from './database.ts'
import type { JobOrigin, JobsTable } from './schema.ts'
import { notify } from './wakeups.ts'

export type Job = Selectable<JobsTable>

export interface NewJob {
  readonly id: string
  readonly qname: string
  readonly form: 'direct' | 'sealed' | 'watch'
  readonly image: string
  readonly tty: boolean
  readonly submitterEntity: string
  readonly submitterAccessorHash: string
  /** Fingerprint of the wrapping token that it came with. */
  readonly authoritySha256?: string
  readonly sealedSpec: string
  readonly sealedToken: string | null
  readonly tokenAccessor: string | null
  readonly tokenRenewAt: Date | null
  /** age recipients of its output, by commas; absent: none. */
  readonly resultKey?: string
  /** Bytes of output that are kept. */
  readonly outputLimit: number
  readonly origin?: JobOrigin
  /** Absent: it runs on the container engine of the server. */
  readonly kubernetesNamespace?: string | undefined
  /** Seconds; null or absent: no limit of its own. */
  readonly limits?: { run: number | null; queue: number | null; keep: number | null }
}

export async function insertJob(tx: Tx, job: NewJob): Promise<void> {
  await tx.insertInto('jobs').values(rowOf(job)).execute()
  await notify(tx, 'queue', job.id)
}

/** Its columns; what is not there has a default. */
export function rowOf(job: NewJob) {
  return {
    id: job.id,
    qname: job.qname,
    form: job.form,
    image: job.image,
    tty: job.tty,
    submitter_entity: job.submitterEntity,
    submitter_accessor_hash: job.submitterAccessorHash,
    authority_sha256: job.authoritySha256 ?? null,
    sealed_spec: job.sealedSpec,
    sealed_token: job.sealedToken,
    token_accessor: job.tokenAccessor,
    token_renew_at: job.tokenRenewAt,
    output_limit: job.outputLimit,
    result_key: job.resultKey ?? '',
    origin: job.origin ? JSON.stringify(job.origin) : null,
    run_seconds: job.limits?.run ?? null,
    keep_seconds: job.limits?.keep ?? null,
    kubernetes_namespace: job.kubernetesNamespace ?? null,
    queue_until: sql<Date>`now() + ${job.limits?.queue ?? null}::integer * interval '1 second'`,
  }
}

export async function findJob(db: Database | Tx, id: string): Promise<Job | undefined> {
  return await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The job that came with this authority, while it is on record. */
export async function findByAuthority(db: Database, sha256: string): Promise<Pick<Job, 'id' | 'qname'> | undefined> {
  return await db.selectFrom('jobs').select(['id', 'qname']).where('authority_sha256', '=', sha256).executeTakeFirst()
}

/** As `findJob`, and nobody else changes it until the transaction ends. */
export async function lockJob(tx: Tx, id: string): Promise<Job | undefined> {
  return await tx.selectFrom('jobs').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function requestKill(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('jobs').set({ kill_requested: true }).where('id', '=', id).execute()
  await notify(tx, 'queue', id)
  await notify(tx, 'job', id)
}

export async function deleteJob(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('jobs').where('id', '=', id).execute()
  await notify(tx, 'job', id)
}

/** Tokens of jobs that are not over and need renewal now; each is handed to one node only. */
export async function dueTokens(db: Database, againMs: number): Promise<{ id: string; token_accessor: string }[]> {
  const { rows } = await sql<{ id: string; token_accessor: string }>`
    update jobs set token_renew_at = now() + ${againMs} * interval '1 millisecond'
    where id in (
      select id from jobs
      where released_at is null and token_accessor is not null and token_renew_at < now()
      limit 50 for update skip locked)
    returning id, token_accessor`.execute(db)
  return rows
}

export async function setTokenRenewal(db: Database, id: string, at: Date | null): Promise<void> {
  await db.updateTable('jobs').set({ token_renew_at: at }).where('id', '=', id).execute()
}

/** Takes away the rows of queues in which nothing waits or runs; the next job makes its own again. */
export async function forgetIdleQueues(db: Database | Tx): Promise<void> {
  await db.deleteFrom('queues').where('head', 'is', null).where('running', '=', 0).execute()
}

/** How many jobs there are in each state, of all nodes. States without any are absent. */
export async function countByStatus(db: Database): Promise<Map<JobState, number>> {
  const rows = await db
    .selectFrom('jobs')
    .select(['status', eb => eb.fn.countAll<number>().as('count')])
    .groupBy('status')
    .execute()
  return new Map(rows.map(row => [row.status, Number(row.count)]))
}

/**
 * Takes away the records of jobs that hold nothing any more and were kept for as long as each of them was to be, or for
 * `retentionMs`; answers their ids.
 */
export async function deleteExpired(tx: Tx, retentionMs: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    delete from jobs where id in (
      select id from jobs
      where released_at is not null and expires_at is null
        and ended_at < now() - ${retentionMs} * interval '1 millisecond'
      limit 500 for update skip locked)
    or id in (
      select id from jobs where released_at is not null and expires_at < now() limit 500 for update skip locked)
    returning id`.execute(tx)
  return rows.map(row => row.id)
}

export interface Depth {
  readonly waiting: number
  readonly queues: number
  readonly oldestSeconds: number
}

/** What waits, of all queues together. */
export async function waitingDepth(db: Database): Promise<Depth> {
  const { rows } = await sql<Depth>`
    select count(*) as waiting, count(distinct qname) as queues,
      coalesce(extract(epoch from now() - min(submitted_at)), 0)::float8 as "oldestSeconds"
    from jobs where status = 'queued'`.execute(db)
  return rows[0] ?? { waiting: 0, queues: 0, oldestSeconds: 0 }
}
