import { type Kysely, sql } from 'kysely'

/** Whether some of a job's output may be missing: the container engine was not there all the time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table jobs add column output_gap boolean not null default false`.execute(db)
}
