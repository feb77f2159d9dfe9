import { type Kysely, sql } from 'kysely'

/** A job can be put into its queue and claimed in one statement, where it would not have to wait. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function keep_queue() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        if new.status = 'queued' then
          insert into queues as q (qname, head) values (new.qname, new.seq)
            on conflict (qname) do update set head = least(q.head, excluded.head);
        else
          insert into queues as q (qname, running) values (new.qname, 1)
            on conflict (qname) do update set running = q.running + 1;
        end if;
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
  await sql`drop trigger queue_joined on jobs`.execute(db)
  await sql`
    create trigger queue_joined after insert on jobs for each row
    when (new.status in ('queued', 'running', 'stopping')) execute function keep_queue()`.execute(db)
  await sql`
    -- Holds the queue's row until the end of the transaction. Answers the place that a new job may have at once; null: it is to wait, behind
    -- what waits in its queue, behind any job of another queue that a free node would take first, or because all places are taken
    create function enter_queue(
      entered text, claims boolean, of_all integer, patterns text[], widths integer[]
    ) returns smallint language plpgsql as $$
    #variable_conflict use_column
    declare
      waits bigint;
      busy integer;
      most integer;
    begin
      insert into queues as q (qname) values (entered)
        on conflict (qname) do update set head = q.head returning head, running into waits, busy;
      if not claims or waits is not null then return null; end if;
      -- each statement from here on sees what the last holder of the row left
      select coalesce(
        (select width from unnest(patterns, widths) with ordinality as listed(pattern, width, n)
          where entered like pattern order by n limit 1), 1) into most;
      if busy >= most then return null; end if;
      if exists (
        select from queues left join lateral (
          select width from unnest(patterns, widths) with ordinality as listed(pattern, width, n)
          where queues.qname like pattern order by n limit 1) as known on true
        where queues.head is not null and queues.running < coalesce(known.width, 1)) then return null; end if;
      if exists (select from jobs where released_at is null and lease_until < now()) then return null; end if;
      if of_all > 0 then
        -- as in claim_jobs, but whoever holds a queue waits for nobody that may wait for it
        if not pg_try_advisory_xact_lock(7235) then return null; end if;
        if (select count(*) from jobs where status in ('running', 'stopping')) >= of_all then return null; end if;
      end if;
      return (
        select min(place) from generate_series(0, most - 1) as place
        where not exists (
          select from jobs taken
          where taken.qname = entered and taken.status in ('running', 'stopping') and taken.slot = place));
    end $$`.execute(db)
}
