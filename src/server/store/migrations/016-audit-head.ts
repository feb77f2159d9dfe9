import { type Kysely, sql } from 'kysely'

/**
 * The head of the trail is locked by the first entry of a statement and written once behind its last. Written for each entry, twice, it
 * left so many dead versions of its one row, all of them looked at by the next update, that three nodes spent most of their time there.
 * The transaction that has locked it knows it in a setting of its own, which goes with whatever is rolled back, as the lock does.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function audit_chain() returns trigger language plpgsql as $$
    declare
      head text[] := string_to_array(nullif(current_setting('writ.audit_head', true), ''), ' ');
    begin
      if head is null then
        select array[seq::text, encode(hash, 'hex')] into strict head from audit_head for update;
      end if;
      new.seq := head[1]::bigint + 1;
      new.previous := decode(head[2], 'hex');
      new.entry := (new.entry::jsonb || jsonb_build_object('seq', new.seq, 'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text;
      new.hash := sha256(new.previous || convert_to(new.entry, 'UTF8'));
      perform set_config('writ.audit_head', new.seq || ' ' || encode(new.hash, 'hex'), true);
      return new;
    end $$`.execute(db)
  await sql`
    create function audit_chained() returns trigger language plpgsql as $$
    declare
      head text[] := string_to_array(nullif(current_setting('writ.audit_head', true), ''), ' ');
    begin
      if head is not null then
        update audit_head set seq = head[1]::bigint, hash = decode(head[2], 'hex');
      end if;
      return null;
    end $$`.execute(db)
  await sql`create trigger audit_chained after insert on audit for each statement execute function audit_chained()`.execute(
    db,
  )
}
