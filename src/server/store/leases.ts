import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import { PLANNED_ONCE } from './pg-client.ts'
import { type Hold, HoldLost } from './runs.ts'

/** A lease that a job holds in Vault, by its id there. */
export interface HeldLease {
  readonly id: string
  readonly job_id: string
  readonly path: string
}

/** Remembers a lease that is to be given back; `renewSeconds` null: it cannot be renewed. Throws `HoldLost`. */
export async function insertLease(
  tx: Tx,
  hold: Hold,
  lease: { id: string; path: string; renewSeconds: number | null },
): Promise<void> {
  const { numAffectedRows } = await sql`
    insert into leases (id, job_id, path, renew_at)
    select ${lease.id}, id, ${lease.path}, now() + ${lease.renewSeconds}::float8 * interval '1 second' from jobs
    where id = ${hold.id} and node = ${hold.node} and attempt = ${hold.attempt} and status in ('running', 'stopping')
    for update`.execute(tx)
  if (numAffectedRows !== 1n) throw new HoldLost(hold)
}

/** What each of these jobs holds. */
export async function leasesOf(db: Database, jobIds: readonly string[]): Promise<HeldLease[][]> {
  const { rows } = await sql<HeldLease>`${PLANNED_ONCE}
    select id, job_id, path from leases where job_id = any(${jobIds}::text[])`.execute(db)
  const byJob = Map.groupBy(rows, lease => lease.job_id)
  return jobIds.map(id => byJob.get(id) ?? [])
}

/** True for whoever takes it away, once. */
export async function deleteLease(tx: Tx, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('leases').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Leases of running jobs that need renewal now; each is handed to one node only. */
export async function dueLeases(db: Database, againMs: number): Promise<HeldLease[]> {
  const { rows } = await sql<HeldLease>`
    update leases set renew_at = now() + ${againMs} * interval '1 millisecond'
    where id in (
      select leases.id from leases join jobs on jobs.id = leases.job_id
      where leases.renew_at < now() and jobs.status in ('running', 'stopping')
      limit 50 for update of leases skip locked)
    returning id, job_id, path`.execute(db)
  return rows
}

/** Null: it is not to be renewed any more. */
export async function setLeaseRenewal(db: Database | Tx, id: string, seconds: number | null): Promise<void> {
  await sql`update leases set renew_at = now() + ${seconds}::float8 * interval '1 second' where id = ${id}`.execute(db)
}
