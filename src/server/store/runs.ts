import { sql, type UpdateObject } from 'kysely'
import type { FinalState } from '../../protocol/job.ts'
import type { Database, Tx } from './database.ts'
import { type Job, lockJob } from './jobs.ts'
import type { Tables } from './schema.ts'

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
 * Notes that the job has its secrets. It does not wait for the disk, which at this moment would be in the way of the container: where a crash of the database
 * takes the note away, whoever takes over asks the container itself (`JobRuntime.began`). Throws `HoldLost`.
 */
export async function noteBegun(db: Database, { id, node, attempt }: Hold): Promise<void> {
  const { rows } = await sql`
    update jobs set stage = 'running'
    where id = ${id} and node = ${node} and attempt = ${attempt} and status = any(${LIVE})
    returning set_config('synchronous_commit', 'off', true)`.execute(db)
  if (rows.length !== 1) throw new HoldLost({ id, node, attempt })
}

/** The running job, and nobody else changes it until the transaction ends. Throws `HoldLost`. */
export async function lockRun(tx: Tx, hold: Hold): Promise<Job> {
  const job = await lockJob(tx, hold.id)
  const held = job?.node === hold.node && job.attempt === hold.attempt && LIVE.some(status => status === job.status)
  if (!held) throw new HoldLost(hold)
  return job
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
