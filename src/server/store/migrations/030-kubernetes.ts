import { type Kysely, sql } from 'kysely'

/** Where a job runs: in this namespace of Kubernetes; null: on the container engine of the server. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table jobs add column kubernetes_namespace text`.execute(db)
}
