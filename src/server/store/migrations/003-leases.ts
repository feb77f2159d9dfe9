import { type Kysely, sql } from 'kysely'

/**
 * Leases of what jobs have read, until each of them was given back. A lease id is no secret: it opens nothing, and stands here
 * as the accessor of a token does (ADR 8). A job that still has one cannot be deleted.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table leases (
      id text primary key,
      job_id text not null references jobs,
      path text not null,
      -- null: not renewable, or at the end of its life
      renew_at timestamptz
    )`.execute(db)
  await sql`create index leases_job on leases (job_id)`.execute(db)
  await sql`create index leases_due on leases (renew_at) where renew_at is not null`.execute(db)
}
