import { type Kysely, sql } from 'kysely'

/**
 * The audit trail: each entry holds the hash of the one before it, so that none can be changed or taken out unseen. Number and
 * hash are made by the database in the transaction that writes the entry; the lock on `audit_head` keeps the chain single.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table audit (
      seq bigint primary key,
      -- exactly the text that is hashed: verifying does not depend on how anything is serialised later
      entry text not null,
      previous bytea not null,
      hash bytea not null,
      job_id text generated always as ((entry::jsonb) ->> 'job') stored
    )`.execute(db)
  await sql`create index audit_job on audit (job_id) where job_id is not null`.execute(db)
  await sql`
    create table audit_head (
      only_row boolean primary key default true check (only_row),
      seq bigint not null,
      hash bytea not null
    )`.execute(db)
  await sql`insert into audit_head (seq, hash) values (0, decode(repeat('00', 32), 'hex'))`.execute(db)

  await sql`
    create function audit_chain() returns trigger language plpgsql as $$
    declare
      head audit_head;
    begin
      update audit_head set seq = seq + 1 returning seq, hash into head.seq, head.hash;
      new.seq := head.seq;
      new.previous := head.hash;
      new.entry := (new.entry::jsonb || jsonb_build_object('seq', head.seq, 'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text;
      new.hash := sha256(new.previous || convert_to(new.entry, 'UTF8'));
      update audit_head set hash = new.hash;
      return new;
    end $$`.execute(db)
  await sql`create trigger audit_chain before insert on audit for each row execute function audit_chain()`.execute(db)

  await sql`
    create function audit_append_only() returns trigger language plpgsql as $$
    begin
      raise exception 'the audit trail is append-only';
    end $$`.execute(db)
  await sql`
    create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function audit_append_only()`.execute(db)
}
