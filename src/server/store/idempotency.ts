import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'

/** What is known of a key: nothing before it was reserved. */
export interface KnownKey {
  readonly body: string
  /** Null while a submission with it is under way. */
  readonly job_id: string | null
}

/**
 * Reserves a key for a submission; false when it is taken. A reservation that was neither completed nor given up in its time, because
 * its node died, is free again.
 */
export async function reserveKey(db: Database, key: string, body: string, forMs: number): Promise<boolean> {
  await sql`delete from idempotency where job_id is null and reserved_until < now()`.execute(db)
  const { rows } = await sql`
    insert into idempotency (key, body, reserved_until)
    values (${key}, ${body}, now() + ${forMs} * interval '1 millisecond')
    on conflict do nothing returning key`.execute(db)
  return rows.length === 1
}

export async function findKey(db: Database, key: string): Promise<KnownKey | undefined> {
  return await db.selectFrom('idempotency').select(['body', 'job_id']).where('key', '=', key).executeTakeFirst()
}

/** Ties the key to its job, in the transaction that stores it. Throws when the reservation has run out and was given away. */
export async function completeKey(tx: Tx, key: string, jobId: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('idempotency')
    .set({ job_id: jobId })
    .where('key', '=', key)
    .where('job_id', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) throw new Error('the reservation of an idempotency key has run out')
}

/** Nothing came of the submission. A key that has a job keeps it. */
export async function releaseKey(db: Database, key: string): Promise<void> {
  await db.deleteFrom('idempotency').where('key', '=', key).where('job_id', 'is', null).execute()
}
