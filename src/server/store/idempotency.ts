import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import { PLANNED_ONCE } from './pg-client.ts'

/** What is known of a key: nothing before it was reserved. */
export interface KnownKey {
  readonly body: string
  /** Null while a submission with it is under way. */
  readonly job_id: string | null
}

/**
 * Reserves a key for a submission, and says what is known of it where that did not go; `known` is then undefined while somebody else is just
 * doing it. A reservation that was neither completed nor given up in its time, because its node died, is free again. It does not wait for the
 * disk: a crash of the database that takes it away takes the submission as well, which finds no reservation to complete.
 */
export async function reserveKey(
  db: Database,
  key: string,
  body: string,
  forMs: number,
): Promise<{ reserved: boolean; known?: KnownKey | undefined }> {
  const { rows } = await sql<{ reserved: boolean; body: string | null; job_id: string | null }>`${PLANNED_ONCE}
    with reserved as (
      insert into idempotency as known (key, body, reserved_until)
      values (${key}, ${body}, now() + ${forMs} * interval '1 millisecond')
      on conflict (key) do update set body = excluded.body, reserved_until = excluded.reserved_until
        where known.job_id is null and known.reserved_until < now()
      returning key)
    select exists (select from reserved) as reserved, body, job_id, set_config('synchronous_commit', 'off', true)
    from (select) as one left join idempotency on key = ${key}`.execute(db)
  const [found] = rows
  if (!found || found.reserved) return { reserved: found !== undefined }
  return { reserved: false, known: found.body === null ? undefined : { body: found.body, job_id: found.job_id } }
}

/** Takes away what was neither completed nor given up in its time. */
export async function forgetReservations(db: Database | Tx): Promise<void> {
  await sql`delete from idempotency where job_id is null and reserved_until < now()`.execute(db)
}

/** Nothing came of the submission. A key that has a job keeps it. */
export async function releaseKey(db: Database, key: string): Promise<void> {
  await db.deleteFrom('idempotency').where('key', '=', key).where('job_id', 'is', null).execute()
}
