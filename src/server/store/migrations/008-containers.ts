import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // lines of the system's own among a job's output: the progress of a pull
  await sql`alter table output drop constraint output_stream_check`.execute(db)
  await sql`
    alter table output add constraint output_stream_check check (stream in ('stdout', 'stderr', 'system'))`.execute(db)

  // whose containers are whose, where several databases' servers share one engine
  await sql`
    create table installation (
      single boolean primary key default true check (single),
      id text not null default gen_random_uuid()::text
    )`.execute(db)
  await sql`insert into installation default values`.execute(db)
}
