import { type Kysely, sql } from 'kysely'

/** Names that differ only in case would share a queue, which has no case: one watch would wait for the other, and policies mean both. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create unique index watches_without_case on watches (lower(spelling))`.execute(db)
}
