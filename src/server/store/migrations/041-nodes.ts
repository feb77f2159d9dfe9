import { type Kysely, sql } from 'kysely'

/** Which nodes are there, also those that run no job: what one kept for jobs to come is cleared away by the others when it is gone. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table nodes (
    id text primary key,
    alive_until timestamptz not null)`.execute(db)
}
