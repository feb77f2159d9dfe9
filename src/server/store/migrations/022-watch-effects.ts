import { type Kysely, sql } from 'kysely'

/** Since when requests of a run may have changed something at the Vault of the watch: they are not made a second time for it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table watch_tasks add column effects_at timestamptz`.execute(db)
}
