import { type Kysely, sql } from 'kysely'

/** The uses of tasks at the gate: taken before Vault is asked for a token, kept when it was made. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table gate_uses (
      id bigint generated always as identity primary key,
      -- the scheduler and the task's id in its own spelling
      task text not null,
      kept boolean not null default false,
      -- until when it may be undecided; after that its node is dead, and nobody has a token
      lease_until timestamptz,
      taken_at timestamptz not null default now(),
      check (kept = (lease_until is null))
    )`.execute(db)
  await sql`create index gate_uses_task on gate_uses (task)`.execute(db)
  await sql`create index gate_uses_oldest on gate_uses (taken_at)`.execute(db)

  // one round trip, and one lock for each task: of many requests on many nodes only as many get a use as there are
  await sql`
    create function gate_take(the_task text, most integer, lease_ms integer, out outcome text, out use bigint)
    language plpgsql as $$
    declare
      held integer;
      held_kept integer;
    begin
      perform pg_advisory_xact_lock(hashtextextended(the_task, 5));
      delete from gate_uses where task = the_task and not kept and lease_until <= clock_timestamp();
      select count(*), count(*) filter (where kept) into held, held_kept from gate_uses where task = the_task;
      if held_kept >= most then
        outcome := 'served';
      elsif held >= most then
        outcome := 'pending';
      else
        insert into gate_uses (task, lease_until) values (the_task, clock_timestamp() + lease_ms * interval '1 millisecond') returning id into use;
        outcome := 'taken';
      end if;
    end $$`.execute(db)
}
