import { type Kysely, sql } from 'kysely'

/** One more reason to stop a job: it writes too much. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table jobs
      drop constraint jobs_stop_code_check,
      add constraint jobs_stop_code_check
        check (stop_code in ('', 'job_killed', 'job_timeout', 'job_output_limit'))`.execute(db)
}
