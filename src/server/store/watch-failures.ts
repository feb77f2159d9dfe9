import type { Selectable } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { WatchFailuresTable } from './watch-schema.ts'

/** A commit whose last run did not come to a good end. Of each commit of a watch, and for as long as the watch is there. */
export type WatchFailure = Selectable<WatchFailuresTable>

export async function findFailure(db: Database | Tx, watch: string, commit: string): Promise<WatchFailure | undefined> {
  return await db
    .selectFrom('watch_failures')
    .selectAll()
    .where('watch', '=', watch)
    .where('commit', '=', commit)
    .executeTakeFirst()
}

export async function putFailure(tx: Tx, failure: Omit<WatchFailure, 'ended_at'>): Promise<void> {
  const { watch: _, commit: __, ...change } = failure
  await tx
    .insertInto('watch_failures')
    .values(failure)
    .onConflict(on => on.columns(['watch', 'commit']).doUpdateSet({ ...change, ended_at: new Date() }))
    .execute()
}

export async function forgetFailure(tx: Tx, watch: string, commit: string): Promise<void> {
  await tx.deleteFrom('watch_failures').where('watch', '=', watch).where('commit', '=', commit).execute()
}

/** All of a watch but those that ended in one of these ways. */
export async function forgetFailuresBut(tx: Tx, watch: string, reasonCodes: readonly string[]): Promise<void> {
  await tx
    .deleteFrom('watch_failures')
    .where('watch', '=', watch)
    .where('reason_code', 'not in', [...reasonCodes])
    .execute()
}
