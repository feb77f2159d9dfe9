import { type Kysely, sql } from 'kysely'

/**
 * A claim as one statement of the client: it is planned once for each connection, and the queues' rows are locked for as long as
 * the database works and no longer.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function claim_jobs(
      claimer text, free integer, lease_ms integer, of_all integer, patterns text[], widths integer[]
    ) returns setof jobs language plpgsql as $$
    #variable_conflict use_column
    declare
      room integer := free;
      names text[];
      places integer[];
    begin
      if of_all > 0 then
        -- serialises claimers where all nodes have one limit together; any fixed number
        perform pg_advisory_xact_lock(7235);
        room := least(free, of_all - (select count(*) from jobs where status in ('running', 'stopping')));
      end if;
      if room <= 0 then return; end if;
      -- the queue's row is held from this statement on, so the next one sees the queue as it is
      select array_agg(qname), array_agg(width) into names, places from (
        select queues.qname, coalesce(known.width, 1) as width
        from queues left join lateral (
          select width from unnest(patterns, widths) with ordinality as listed(pattern, width, n)
          where queues.qname like pattern order by n limit 1) as known on true
        where queues.head is not null and queues.running < coalesce(known.width, 1)
        order by queues.head limit room for update of queues skip locked) as open;
      if names is null then return; end if;
      return query
        with pick as (
          select jobs.id, (
            select min(place) from generate_series(0, open.width - 1) as place
            where not exists (
              select from jobs busy
              where busy.qname = open.qname and busy.status in ('running', 'stopping') and busy.slot = place)) as slot
          from unnest(names, places) as open(qname, width)
          join queues on queues.qname = open.qname
          join jobs on jobs.seq = queues.head
          where jobs.status = 'queued' and (jobs.queue_until is null or jobs.queue_until > now())
          for update of jobs skip locked
        )
        update jobs set status = 'running', slot = pick.slot, node = claimer, attempt = attempt + 1,
          started_at = clock_timestamp(), lease_until = now() + lease_ms * interval '1 millisecond'
        from pick where jobs.id = pick.id returning jobs.*;
    end $$`.execute(db)
}
