import type { Selectable } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { WatchRequestsTable } from './watch-schema.ts'

export type WatchRequest = Selectable<WatchRequestsTable>

export async function putRequest(tx: Tx, request: WatchRequest): Promise<void> {
  const { watch: _, name: __, ...change } = request
  await tx
    .insertInto('watch_requests')
    .values(request)
    .onConflict(on => on.columns(['watch', 'name']).doUpdateSet(change))
    .execute()
}

export async function findRequest(db: Database, watch: string, name: string): Promise<WatchRequest | undefined> {
  return await db
    .selectFrom('watch_requests')
    .selectAll()
    .where('watch', '=', watch)
    .where('name', '=', name)
    .executeTakeFirst()
}

/** In the order in which they are made: that of their bytes (gitops.md §9), whatever the collation of the database. */
export async function listRequests(db: Database | Tx, watch: string): Promise<WatchRequest[]> {
  const rows = await db.selectFrom('watch_requests').selectAll().where('watch', '=', watch).execute()
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export async function deleteRequest(tx: Tx, watch: string, name: string): Promise<void> {
  await tx.deleteFrom('watch_requests').where('watch', '=', watch).where('name', '=', name).execute()
}
