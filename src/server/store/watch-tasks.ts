import { type Selectable, sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { WatchSigner, WatchTasksTable } from './watch-schema.ts'

/** What became of one commit of a watch: a run that was started, or a refusal to start one. */
export type WatchTask = Selectable<WatchTasksTable>

export interface NewTask {
  readonly watch: string
  readonly commit: string
  readonly object: string
  readonly attempt: number
  readonly jobId: string
  readonly signers: readonly WatchSigner[]
  readonly planDigest: string
}

/** The marker *started*. The index `watch_tasks_one_started` refuses a second one of the same watch. Answers its id. */
export async function insertTask(tx: Tx, task: NewTask): Promise<string> {
  const { id } = await tx
    .insertInto('watch_tasks')
    .values({
      watch: task.watch,
      commit: task.commit,
      object: task.object,
      attempt: task.attempt,
      job_id: task.jobId,
      state: 'started',
      signers: JSON.stringify(task.signers),
      plan_digest: task.planDigest,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/**
 * A look that ended without a run, so that its reason can be read where flant_gitops shows a failed task. Looks that end the same
 * way are one entry: there is one every few minutes for as long as nobody mends it. Answers true for a new one.
 */
export async function noteRefusal(
  tx: Tx,
  refusal: { watch: string; commit: string; reasonCode: string; reason: string },
): Promise<boolean> {
  const { rows } = await sql<{ same: boolean }>`
    select commit = ${refusal.commit} and state = 'refused' and reason_code = ${refusal.reasonCode}
      and reason = ${refusal.reason} as same
    from watch_tasks where watch = ${refusal.watch} order by seq desc limit 1`.execute(tx)
  if (rows[0]?.same) return false
  await tx
    .insertInto('watch_tasks')
    .values({
      watch: refusal.watch,
      commit: refusal.commit,
      attempt: 0,
      state: 'refused',
      reason_code: refusal.reasonCode,
      reason: refusal.reason,
      ended_at: new Date(),
    })
    .execute()
  return true
}

/** The marker *done* or *failed*; undefined if the job has no task any more. */
export async function endTask(
  tx: Tx,
  jobId: string,
  end: { state: 'done' | 'failed'; reasonCode: string; reason: string },
): Promise<WatchTask | undefined> {
  return await tx
    .updateTable('watch_tasks')
    .set({ state: end.state, reason_code: end.reasonCode, reason: end.reason, ended_at: new Date() })
    .where('job_id', '=', jobId)
    .where('state', '=', 'started')
    .returningAll()
    .executeTakeFirst()
}

export async function findTask(db: Database | Tx, watch: string, id: string): Promise<WatchTask | undefined> {
  return await db
    .selectFrom('watch_tasks')
    .selectAll()
    .where('watch', '=', watch)
    .where('id', '=', id)
    .executeTakeFirst()
}

export async function findTaskOfJob(db: Database | Tx, jobId: string): Promise<WatchTask | undefined> {
  return await db.selectFrom('watch_tasks').selectAll().where('job_id', '=', jobId).executeTakeFirst()
}

/** Newest first. */
export async function listTasks(db: Database | Tx, watch: string, limit = 1000): Promise<WatchTask[]> {
  return await db
    .selectFrom('watch_tasks')
    .selectAll()
    .where('watch', '=', watch)
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute()
}

/** Takes away all but the newest `limit` refusals: a server that answers each look in other words must not fill the database. */
export async function pruneRefusals(tx: Tx, watch: string, limit: number): Promise<void> {
  await sql`
    delete from watch_tasks where watch = ${watch} and state = 'refused' and seq <= (
      select seq from watch_tasks where watch = ${watch} and state = 'refused' order by seq desc offset ${limit} limit 1)`.execute(
    tx,
  )
}

/** Takes away all but the newest `limit` that have ended and hold no token. */
export async function pruneTasks(tx: Tx, watch: string, limit: number): Promise<void> {
  await sql`
    delete from watch_tasks where watch = ${watch} and state <> 'started' and sealed_vault_token is null and seq <= (
      select seq from watch_tasks where watch = ${watch} and state <> 'started' order by seq desc offset ${limit} limit 1)`.execute(
    tx,
  )
}

export async function keepToken(
  db: Database,
  jobId: string,
  sealed: string | null,
  renewAt: Date | null,
): Promise<void> {
  await db
    .updateTable('watch_tasks')
    .set({ sealed_vault_token: sealed, vault_token_renew_at: renewAt })
    .where('job_id', '=', jobId)
    .execute()
}

/** On record before the first request of a run that changes something, and taken back if it turns out that it was not taken. */
export async function markEffects(db: Database, jobId: string, at: Date | null): Promise<void> {
  await db.updateTable('watch_tasks').set({ effects_at: at }).where('job_id', '=', jobId).execute()
}

/** Tasks whose Vault token is to be renewed or revoked now; each is handed to one node only. */
export async function dueTaskTokens(db: Database, againMs: number): Promise<WatchTask[]> {
  const { rows } = await sql<WatchTask>`
    update watch_tasks set vault_token_renew_at = now() + ${againMs} * interval '1 millisecond'
    where id in (
      select id from watch_tasks where sealed_vault_token is not null and (vault_token_renew_at < now()
        -- ended, and a release did not come through
        or (state <> 'started' and (vault_token_renew_at is null or ended_at < now() - interval '1 minute')))
      limit 50 for update skip locked)
    returning *`.execute(db)
  return rows
}

/** Tasks that were started and whose job is neither waiting nor running, nor just ending in a transaction of its own. */
export async function orphanedTasks(db: Database): Promise<WatchTask[]> {
  return await db
    .selectFrom('watch_tasks')
    .selectAll()
    .where('state', '=', 'started')
    .where(eb =>
      eb.not(eb.exists(eb.selectFrom('jobs').select('jobs.id').whereRef('jobs.id', '=', 'watch_tasks.job_id'))),
    )
    .execute()
}
