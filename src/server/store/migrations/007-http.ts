import { type Kysely, sql } from 'kysely'

/**
 * Lists, expiry and repeated submissions, in a time that does not grow with the number of ended jobs. All orders of a list end in
 * `seq`, so that a page can go on exactly behind the last job of the one before.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index jobs_newest`.execute(db)
  await sql`create index jobs_newest on jobs (submitted_at, seq)`.execute(db)
  await sql`create index jobs_newest_of_queue on jobs (qname, submitted_at, seq)`.execute(db)
  await sql`create index jobs_newest_of_token on jobs (submitter_accessor_hash, submitted_at, seq)`.execute(db)
  await sql`create index jobs_newest_of_entity on jobs (submitter_entity, submitted_at, seq) where submitter_entity <> ''`.execute(
    db,
  )
  // of which authority a job is: its fingerprint, which no one can use. No authority makes two jobs
  await sql`alter table jobs add column authority_sha256 text`.execute(db)
  await sql`create unique index jobs_authority on jobs (authority_sha256)`.execute(db)
  await sql`create index jobs_expiring on jobs (ended_at) where released_at is not null`.execute(db)

  await sql`
    create table idempotency (
      -- SHA-256 of the submitter and his key: neither can be read from it
      key text primary key,
      -- SHA-256 of the body, whose tokens no one can guess
      body text not null,
      -- null while the submission is under way on some node
      job_id text unique references jobs on delete cascade,
      reserved_until timestamptz not null
    )`.execute(db)
  await sql`create index idempotency_reserved on idempotency (reserved_until) where job_id is null`.execute(db)
}
