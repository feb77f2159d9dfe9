import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'

export type Taken =
  | { readonly outcome: 'taken'; readonly use: number }
  | { readonly outcome: 'served' | 'pending'; readonly use: null }

/** Takes one of `limit` uses of a task, to be decided within `leaseMs`. One statement; nodes do not see each other's halves. */
export async function takeUse(db: Database, task: string, limit: number, leaseMs: number): Promise<Taken> {
  const { rows } = await sql<Taken>`select * from gate_take(${task}, ${limit}, ${leaseMs})`.execute(db)
  const [taken] = rows
  if (!taken) throw new Error('gate_take answered nothing')
  return taken
}

/** False when its lease is over: it may be another's by now. */
export async function keepUse(tx: Tx, use: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('gate_uses')
    .set({ kept: true, lease_until: null })
    .where('id', '=', use)
    .where('kept', '=', false)
    .where('lease_until', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Also one that is kept: for whoever knows that its token was never answered. */
export async function giveUseBack(db: Database, use: number): Promise<void> {
  await db.deleteFrom('gate_uses').where('id', '=', use).execute()
}

export async function forgetUses(db: Database, olderThanMs: number): Promise<void> {
  await sql`delete from gate_uses where taken_at < now() - ${olderThanMs}::float8 * interval '1 millisecond'`.execute(
    db,
  )
}
