import { sql, type UpdateObject } from 'kysely'
import type { FinalState } from '../../protocol/job.ts'
import type { Database, Tx } from './database.ts'
import type { Tables } from './schema.ts'
import { notify } from './wakeups.ts'

/** Who holds a job: every write of a run names it, and the write of a node that has lost the job changes nothing. */
export interface Hold {
  readonly id: string
  readonly node: string
  readonly attempt: number
}

/** This node does not hold the job any more: another one has taken it over, or it has ended. Stop, and touch nothing. */
export class HoldLost extends Error {
  override readonly name = 'HoldLost'
  constructor(hold: Hold) {
    super(`job ${hold.id} is not held by attempt ${hold.attempt} any more`)
  }
}

const LIVE = ['running', 'stopping'] as const

/** Changes a running job. Throws `HoldLost`. */
export async function updateRun(db: Database | Tx, hold: Hold, change: UpdateObject<Tables, 'jobs'>): Promise<void> {
  const result = await db
    .updateTable('jobs')
    .set(change)
    .where('id', '=', hold.id)
    .where('node', '=', hold.node)
    .where('attempt', '=', hold.attempt)
    .where('status', 'in', LIVE)
    .executeTakeFirst()
  if (result.numUpdatedRows !== 1n) throw new HoldLost(hold)
}

/**
 * The last gate before a container starts: true if this node still holds the job and nobody wants it killed. From here on it
 * counts as possibly started.
 */
export async function markStarting(db: Database | Tx, hold: Hold, containerId: string): Promise<boolean> {
  const result = await db
    .updateTable('jobs')
    .set({
      stage: 'starting',
      container_id: containerId,
      run_until: sql<Date>`clock_timestamp() + run_seconds * interval '1 second'`,
    })
    .where('id', '=', hold.id)
    .where('node', '=', hold.node)
    .where('attempt', '=', hold.attempt)
    .where('status', '=', 'running')
    .where('kill_requested', '=', false)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Milliseconds that a job may still run, by the database's clock; null: no limit. */
export async function runMsLeft(db: Database, id: string): Promise<number | null> {
  const row = await db
    .selectFrom('jobs')
    .select(sql<number | null>`(extract(epoch from run_until - clock_timestamp()) * 1000)::float8`.as('left'))
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.left ?? null
}

export interface Outcome {
  readonly status: FinalState
  readonly returnCode: number
  readonly errorCode: string
  readonly errorText: string
}

/** The one end of a job. What was kept sealed for the run is erased with it. Throws `HoldLost`. */
export async function endRun(tx: Tx, hold: Hold, outcome: Outcome): Promise<void> {
  await updateRun(tx, hold, {
    status: outcome.status,
    // the database's clock, and later than the statement before: a queue's times tell its order on every node alike
    ended_at: sql<Date>`clock_timestamp()`,
    expires_at: sql<Date>`clock_timestamp() + keep_seconds * interval '1 second'`,
    return_code: outcome.returnCode,
    error_code: outcome.errorCode,
    error_text: outcome.errorText,
    sealed_spec: null,
    sealed_token: null,
    sealed_masks: null,
  })
  await notify(tx, 'queue', hold.id)
  await notify(tx, 'job', hold.id)
}

/** Everything that the job held is gone. False: another attempt has it, or said so already, and there is nothing to record. */
export async function markReleased(tx: Tx, hold: Hold): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('jobs')
    .set({ released_at: sql<Date>`clock_timestamp()`, token_accessor: null, token_renew_at: null })
    .where('id', '=', hold.id)
    .where('attempt', '=', hold.attempt)
    .where('released_at', 'is', null)
    .executeTakeFirst()
  await notify(tx, 'job', hold.id)
  return numUpdatedRows === 1n
}

/** Lets the leases of this node end now, so that the next node need not wait for them. */
export async function handOver(db: Database, node: string): Promise<void> {
  await db
    .updateTable('jobs')
    .set({ lease_until: new Date(0) })
    .where('node', '=', node)
    .where('released_at', 'is', null)
    .where('lease_until', 'is not', null)
    .execute()
}
