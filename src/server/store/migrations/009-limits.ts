import { type Kysely, sql } from 'kysely'

/** Limits of a job's time, the width of queues, and a row for each queue, so that a claim looks at as many rows as it takes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table jobs
      -- null: no limit of its own
      add column run_seconds integer,
      add column run_until timestamptz,
      add column queue_until timestamptz,
      add column keep_seconds integer,
      add column expires_at timestamptz,
      -- which of the places of its queue it has: a queue of width 1 has only place 0
      add column slot smallint not null default 0,
      -- why it is being stopped
      add column stop_code text not null default '' check (stop_code in ('', 'job_killed', 'job_timeout'))`.execute(db)
  // two jobs in one place are refused by the database itself
  await sql`drop index jobs_one_running_per_queue`.execute(db)
  await sql`create unique index jobs_one_running_per_slot on jobs (qname, slot) where status in ('running', 'stopping')`.execute(
    db,
  )
  await sql`create index jobs_waiting_until on jobs (queue_until) where status = 'queued' and queue_until is not null`.execute(
    db,
  )
  await sql`create index jobs_kept_until on jobs (expires_at) where released_at is not null and expires_at is not null`.execute(
    db,
  )

  await sql`
    create table queues (
      qname text primary key,
      -- seq of the oldest job that waits; null: none does
      head bigint,
      running integer not null default 0
    )`.execute(db)
  await sql`create index queues_waiting on queues (head) where head is not null`.execute(db)

  // Who changes a job's part in its queue holds the queue's row until the end of the transaction. So a head can neither be
  // missed nor be seen twice, and each statement in here sees what the last holder left
  await sql`
    create function keep_queue() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into queues as q (qname, head) values (new.qname, new.seq)
          on conflict (qname) do update set head = least(q.head, excluded.head);
        return null;
      end if;
      if old.status = 'queued' then
        perform 1 from queues where qname = old.qname for update;
        update queues set
          head = (select min(seq) from jobs where qname = old.qname and status = 'queued'),
          running = running + case when tg_op = 'UPDATE' and new.status in ('running', 'stopping') then 1 else 0 end
          where qname = old.qname;
      elsif old.status in ('running', 'stopping') then
        update queues set
          running = running - 1,
          head = case when tg_op = 'UPDATE' and new.status = 'queued' then least(head, new.seq) else head end
          where qname = old.qname;
      end if;
      return null;
    end $$`.execute(db)
  await sql`create trigger queue_joined after insert on jobs for each row when (new.status = 'queued') execute function keep_queue()`.execute(
    db,
  )
  await sql`
    create trigger queue_moved after update of status on jobs for each row
    when (old.status is distinct from new.status and not (old.status = 'running' and new.status = 'stopping'))
    execute function keep_queue()`.execute(db)
  await sql`
    create trigger queue_left after delete on jobs for each row
    when (old.status in ('queued', 'running', 'stopping')) execute function keep_queue()`.execute(db)
  await sql`
    insert into queues (qname, head, running)
    select qname, min(seq) filter (where status = 'queued'), count(*) filter (where status in ('running', 'stopping'))
    from jobs where status in ('queued', 'running', 'stopping') group by qname`.execute(db)
}
