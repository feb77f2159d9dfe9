import { type Kysely, sql } from 'kysely'

/** The watch: repositories, their keys and requests, what was accepted, and the runs that came of it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table jobs drop constraint jobs_form_check`.execute(db)
  await sql`alter table jobs add constraint jobs_form_check check (form in ('direct', 'sealed', 'watch'))`.execute(db)
  // where a job comes from that nobody submitted: watch, commit, signers and their keys
  await sql`alter table jobs add column origin jsonb`.execute(db)

  await sql`
    create table watches (
      name text primary key,
      -- a-b and a_b are two spellings of one name
      spelling text not null unique,
      id uuid not null default gen_random_uuid(),
      description text not null default '',
      created_at timestamptz not null default now(),

      configuration jsonb,
      options jsonb not null default '{}',
      task_configuration jsonb,
      -- kept for readers of the later variant: addresses of Vaults and the template of a Kubernetes job
      vaults jsonb,
      kubernetes_job text,

      -- transit ciphertext under the server's own key
      sealed_git_credential text,
      sealed_ssh_key text,
      sealed_webhook_secret text,

      -- the AppRole at a Vault of its own: what is not secret, the SecretID, and one that was replaced and is to be destroyed
      access jsonb,
      sealed_secret_id text,
      sealed_old_secret_id text,
      secret_id_renewed_at timestamptz,
      maintained_until timestamptz,

      -- where it stands: 'refused' looks on, 'stopped' and 'given_up' wait for a person or for another history
      state text not null default 'watching' check (state in ('watching', 'refused', 'stopped', 'given_up')),
      reason_code text not null default '',
      reason text not null default '',
      accepted_commit text not null default '',
      -- a commit that may follow on the accepted one although it is no descendant of it
      waived_commit text not null default '',
      failed_commit text not null default '',
      failures integer not null default 0,
      retry_at timestamptz,
      -- what the last look found, so that the next one need not fetch when nothing is new
      seen text not null default '',
      tip text not null default '',
      polled_at timestamptz,
      next_poll_at timestamptz not null default now(),
      node text not null default '',
      lease_until timestamptz
    )`.execute(db)
  await sql`create index watches_due on watches (next_poll_at) where configuration is not null`.execute(db)

  await sql`
    create table watch_requests (
      watch text not null references watches on delete cascade on update cascade,
      name text not null,
      method text not null,
      path text not null,
      -- transit ciphertext: what is sent may hold a secret
      sealed_options text,
      wrap_ttl integer not null,
      primary key (watch, name)
    )`.execute(db)

  await sql`
    create table watch_keys (
      watch text not null references watches on delete cascade on update cascade,
      name text not null,
      public_key text not null,
      added_at timestamptz not null default now(),
      primary key (watch, name)
    )`.execute(db)

  await sql`
    create table watch_tasks (
      id uuid primary key default gen_random_uuid(),
      seq bigint generated always as identity,
      watch text not null references watches on delete cascade on update cascade,
      commit text not null,
      -- what was signed: the commit, or the watched tag that names it
      object text not null default '',
      -- of this commit since the watch last succeeded
      attempt integer not null,
      job_id text,
      -- the markers: one of them is true of every commit that was taken up, whatever crashed and whenever
      state text not null check (state in ('started', 'done', 'failed', 'refused')),
      signers jsonb not null default '[]',
      plan_digest text not null default '',
      reason_code text not null default '',
      reason text not null default '',
      created_at timestamptz not null default now(),
      ended_at timestamptz,
      -- transit ciphertext of the token that the requests were made with: it holds the leases until the job has ended
      sealed_vault_token text,
      vault_token_renew_at timestamptz
    )`.execute(db)
  // one run per watch, as a fact of the database
  await sql`create unique index watch_tasks_one_started on watch_tasks (watch) where state = 'started'`.execute(db)
  await sql`create index watch_tasks_newest on watch_tasks (watch, seq desc)`.execute(db)
  await sql`create index watch_tasks_job on watch_tasks (job_id) where job_id is not null`.execute(db)
  await sql`create index watch_tasks_tokens on watch_tasks (vault_token_renew_at) where sealed_vault_token is not null`.execute(
    db,
  )

  // the mount that the documents of flant_gitops speak of; it watches nothing until it is configured
  await sql`insert into watches (name, spelling) values ('flant_gitops', 'flant_gitops')`.execute(db)
}
