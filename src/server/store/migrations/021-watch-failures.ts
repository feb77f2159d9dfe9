import { type Kysely, sql } from 'kysely'

/** Failures are counted for each commit: whoever shows two in turns must not have either of them run anew for ever. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table watch_failures (
      watch text not null references watches on delete cascade on update cascade,
      commit text not null,
      -- those that count towards max_attempts
      failures integer not null,
      -- all ends since somebody last changed something: each doubles the pause
      pauses integer not null,
      -- null: only a person has it run again
      retry_at timestamptz,
      -- empty: nobody knows any more
      reason_code text not null,
      reason text not null,
      ended_at timestamptz not null default now(),
      primary key (watch, commit)
    )`.execute(db)
  await sql`
    insert into watch_failures (watch, commit, failures, pauses, retry_at, reason_code, reason, ended_at)
    select distinct on (t.watch, t.commit) t.watch, t.commit, t.attempt, t.attempt,
      case when t.reason_code in ('container_lost', 'engine_lost', 'job_killed')
        or (w.failed_commit = t.commit and w.retry_at is null) then null else now() end,
      t.reason_code, t.reason, coalesce(t.ended_at, now())
    from watch_tasks t join watches w on w.name = t.watch
    where t.state = 'failed' and t.job_id is not null
      and not exists (select 1 from watch_tasks d where d.watch = t.watch and d.commit = t.commit and d.state = 'done' and d.seq > t.seq)
    order by t.watch, t.commit, t.seq desc`.execute(db)
  await sql`
    insert into watch_failures (watch, commit, failures, pauses, retry_at, reason_code, reason)
    select name, failed_commit, failures, failures, retry_at, '', reason from watches where failed_commit <> ''
    on conflict do nothing`.execute(db)
  await sql`alter table watches drop column failures, drop column retry_at`.execute(db)
}
