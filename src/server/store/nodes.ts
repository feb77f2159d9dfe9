import { sql } from 'kysely'
import type { Database } from './database.ts'

/** This node is there, and says so again before these milliseconds have passed. */
export async function sayAlive(db: Database, node: string, forMs: number): Promise<void> {
  await sql`
    insert into nodes (id, alive_until) values (${node}, now() + ${forMs} * interval '1 millisecond')
    on conflict (id) do update set alive_until = excluded.alive_until`.execute(db)
}

/** Nodes that have not said for a while that they are there: dead, or stopped, or cut off. */
export async function goneNodes(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('nodes').select('id').where('alive_until', '<', sql<Date>`now()`).execute()
  return rows.map(({ id }) => id)
}

/** Of those that have been gone for this long, nothing is asked any more. */
export async function forgetNodes(db: Database, afterMs: number): Promise<void> {
  await sql`delete from nodes where alive_until < now() - ${afterMs} * interval '1 millisecond'`.execute(db)
}
