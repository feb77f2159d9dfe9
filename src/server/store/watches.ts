import { type Selectable, sql, type Updateable } from 'kysely'
import type { Database, Tx } from './database.ts'
import { notify } from './wakeups.ts'
import type { WatchesTable } from './watch-schema.ts'

export type Watch = Selectable<WatchesTable>

/** `a-b` and `a_b` are one name (gitops.md §1: the documents of flant_gitops use both). */
function spellingOf(name: string): string {
  return name.replaceAll('-', '_')
}

/** False: there is one under that name already, in this or in another spelling, or one that differs only in case. */
export async function insertWatch(tx: Tx, watch: { name: string; description: string }): Promise<boolean> {
  const result = await tx
    .insertInto('watches')
    .values({ ...watch, spelling: spellingOf(watch.name) })
    .onConflict(on => on.doNothing())
    .executeTakeFirst()
  return result.numInsertedOrUpdatedRows === 1n
}

/** By its name in either spelling. */
export async function findWatch(db: Database | Tx, name: string): Promise<Watch | undefined> {
  return await db.selectFrom('watches').selectAll().where('spelling', '=', spellingOf(name)).executeTakeFirst()
}

/** As `findWatch`, and nobody else changes it until the transaction ends. */
export async function lockWatch(tx: Tx, name: string): Promise<Watch | undefined> {
  return await tx
    .selectFrom('watches')
    .selectAll()
    .where('spelling', '=', spellingOf(name))
    .forUpdate()
    .executeTakeFirst()
}

export async function listWatches(db: Database): Promise<Watch[]> {
  return await db.selectFrom('watches').selectAll().orderBy('name').execute()
}

export async function updateWatch(db: Database | Tx, name: string, change: Updateable<WatchesTable>): Promise<void> {
  await db.updateTable('watches').set(change).where('name', '=', name).execute()
}

export async function deleteWatch(tx: Tx, name: string): Promise<void> {
  await tx.deleteFrom('watches').where('name', '=', name).execute()
}

/** A due time that nobody but `lookAgain` sets: whoever looks at the watch at this moment sees that he must do it again. */
const AT_ONCE = new Date(0)

export function isAskedFor(watch: Pick<Watch, 'next_poll_at'>): boolean {
  return watch.next_poll_at.getTime() === AT_ONCE.getTime()
}

/** Has it looked at again at once, whatever it waits for, and what it found last looked at anew. */
export async function lookAgain(tx: Tx, name: string): Promise<void> {
  await updateWatch(tx, name, { next_poll_at: AT_ONCE, seen: '' })
  await notify(tx, 'watch', name)
}

export interface ClaimedWatches {
  readonly watches: Watch[]
  /** Milliseconds until the next one is due, whatever it waits for besides; null when there is none. */
  readonly untilDue: number | null
}

/**
 * Hands watches that are due to this node, at most `limit`, for `leaseMs`. One that has a run going on is not due: equality of
 * due time and now is (gitops.md §6).
 */
export async function claimWatches(
  db: Database,
  node: string,
  limit: number,
  leaseMs: number,
): Promise<ClaimedWatches> {
  if (limit <= 0) return { watches: [], untilDue: null }
  type Row = (Watch & { until_due: number | null }) | { name: null; until_due: number | null }
  const { rows } = await sql<Row>`
    with claimed as (
      update watches set node = ${node}, next_poll_at = now(), lease_until = now() + ${leaseMs} * interval '1 millisecond'
      where name in (
        select name from watches
        where configuration is not null and next_poll_at <= now() and (lease_until is null or lease_until < now())
          and not exists (select 1 from watch_tasks where watch_tasks.watch = watches.name and watch_tasks.state = 'started')
        order by next_poll_at limit ${limit} for update skip locked)
      returning *)
    select claimed.*, next.until_due from (
      select (
        select (extract(epoch from next_poll_at - now()) * 1000)::float8 from watches
        where configuration is not null and next_poll_at > now() order by next_poll_at limit 1) as until_due
    ) next left join claimed on true`.execute(db)
  return {
    watches: rows.filter((row): row is Watch & { until_due: number | null } => row.name !== null),
    untilDue: rows[0]?.until_due ?? null,
  }
}

/**
 * Ends a look: records what it found, if this node still has the watch, and when the next one is due, if nobody has asked for one
 * meanwhile. What was found is then not remembered as seen either.
 */
export async function endLook(
  db: Database | Tx,
  watch: Pick<Watch, 'name' | 'node'>,
  { next_poll_at, seen, ...change }: Updateable<WatchesTable> & { next_poll_at: Date; seen: string },
): Promise<void> {
  await db
    .updateTable('watches')
    .set({
      ...change,
      lease_until: null,
      next_poll_at: sql<Date>`case when next_poll_at = ${AT_ONCE} then next_poll_at else ${next_poll_at} end`,
      seen: sql<string>`case when next_poll_at = ${AT_ONCE} then '' else ${seen} end`,
    })
    .where('name', '=', watch.name)
    .where('node', '=', watch.node)
    .where('lease_until', 'is not', null)
    .execute()
}

/** Extends a look that takes long; false if another node has the watch now. */
export async function extendLook(db: Database, name: string, node: string, leaseMs: number): Promise<boolean> {
  const result = await db
    .updateTable('watches')
    .set({ lease_until: sql<Date>`now() + ${leaseMs} * interval '1 millisecond'` })
    .where('name', '=', name)
    .where('node', '=', node)
    .where('lease_until', 'is not', null)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}
