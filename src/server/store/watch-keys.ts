import type { Selectable } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { WatchKeysTable } from './watch-schema.ts'

export type WatchKey = Selectable<WatchKeysTable>

export async function putKey(tx: Tx, watch: string, name: string, publicKey: string): Promise<void> {
  await tx
    .insertInto('watch_keys')
    .values({ watch, name, public_key: publicKey })
    .onConflict(on => on.columns(['watch', 'name']).doUpdateSet({ public_key: publicKey, added_at: new Date() }))
    .execute()
}

export async function findKey(db: Database, watch: string, name: string): Promise<WatchKey | undefined> {
  return await db
    .selectFrom('watch_keys')
    .selectAll()
    .where('watch', '=', watch)
    .where('name', '=', name)
    .executeTakeFirst()
}

export async function listKeys(db: Database | Tx, watch: string): Promise<WatchKey[]> {
  return await db.selectFrom('watch_keys').selectAll().where('watch', '=', watch).orderBy('name').execute()
}

export async function deleteKey(tx: Tx, watch: string, name: string): Promise<void> {
  await tx.deleteFrom('watch_keys').where('watch', '=', watch).where('name', '=', name).execute()
}
