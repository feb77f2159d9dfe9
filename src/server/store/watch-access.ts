import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { Watch } from './watches.ts'

/** Watches whose SecretID is older than `share` of its life, or that still have an old one to destroy. */
export async function dueAccess(db: Database, share: number): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from watches
    where sealed_secret_id is not null and (maintained_until is null or maintained_until < now())
      and (sealed_old_secret_id is not null or secret_id_renewed_at is null
        or now() - secret_id_renewed_at > ceil((access ->> 'secret_id_ttl')::numeric * ${share}::numeric) * interval '1 second')
    order by maintained_until nulls first limit 100`.execute(db)
  return rows.map(row => row.name)
}

/** One node at a time replaces the SecretID of a watch. */
export async function claimMaintenance(db: Database, name: string, leaseMs: number): Promise<Watch | undefined> {
  const { rows } = await sql<Watch>`
    update watches set maintained_until = now() + ${leaseMs} * interval '1 millisecond'
    where name = ${name} and (maintained_until is null or maintained_until < now()) returning *`.execute(db)
  return rows[0]
}

/** Puts the new SecretID in the place of `from`, which is kept until it is destroyed. False: somebody else replaced it meanwhile. */
export async function replaceSecretId(
  tx: Tx,
  name: string,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  const result = await tx
    .updateTable('watches')
    .set({ sealed_secret_id: to, sealed_old_secret_id: from, secret_id_renewed_at: new Date() })
    .where('name', '=', name)
    .where('sealed_secret_id', '=', from)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}
