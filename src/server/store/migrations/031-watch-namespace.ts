import { type Kysely, sql } from 'kysely'

/** The namespace that the template of a watch was written for, by somebody who may: the server's first one may be another one later. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table watches add column kubernetes_namespace text`.execute(db)
}
