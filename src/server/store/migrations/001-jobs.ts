import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table jobs (
      id text primary key check (id ~ '^[0-9a-f]{24}$'),
      -- the order of submission, and so the order within a queue
      seq bigint generated always as identity unique,
      qname text not null,
      status text not null default 'queued'
        check (status in ('queued', 'running', 'stopping', 'success', 'failed', 'notauthorised', 'unknown')),
      form text not null check (form in ('direct', 'sealed')),
      image text not null,
      tty boolean not null,
      submitted_at timestamptz not null default now(),
      started_at timestamptz,
      ended_at timestamptz,

      -- who may read it without a policy: the identity that submitted it, or else its token
      submitter_entity text not null,
      submitter_accessor_hash text not null,

      -- transit ciphertext under the server's own key, erased when the job has ended
      sealed_spec text,
      sealed_token text,
      sealed_masks text,
      token_accessor text,
      token_renew_at timestamptz,

      -- who runs it; every write of a run is fenced by node and attempt
      node text not null default '',
      attempt integer not null default 0,
      lease_until timestamptz,
      -- 'preparing': no container can have been started; 'starting': one may have been; 'running': it has its secrets
      stage text not null default 'preparing' check (stage in ('preparing', 'starting', 'running')),
      container_id text not null default '',
      image_digest text not null default '',
      kill_requested boolean not null default false,

      -- raw bytes of each stream that are dealt with, and masked bytes that are stored
      stdout_raw bigint not null default 0,
      stderr_raw bigint not null default 0,
      output_bytes bigint not null default 0,
      masked jsonb not null default '{}',

      return_code integer not null default 0,
      error_code text not null default '',
      error_text text not null default '',
      released_at timestamptz
    )`.execute(db)

  // the serial guarantee: a second running job in a queue is refused by the database itself
  await sql`create unique index jobs_one_running_per_queue on jobs (qname) where status in ('running', 'stopping')`.execute(
    db,
  )
  await sql`create index jobs_queued on jobs (qname, seq) where status = 'queued'`.execute(db)
  await sql`create index jobs_unreleased on jobs (lease_until) where released_at is null`.execute(db)
  await sql`create index jobs_newest on jobs (submitted_at desc)`.execute(db)

  await sql`
    create table output (
      job_id text not null references jobs on delete cascade,
      -- masked bytes of both streams before this chunk
      start bigint not null,
      stream text not null check (stream in ('stdout', 'stderr')),
      data bytea not null,
      primary key (job_id, start)
    )`.execute(db)
}
