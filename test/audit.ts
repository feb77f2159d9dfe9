import type { Database } from '../src/server/store/database.ts'

/** The newest entry of the audit trail. */
export async function lastEntry(db: Database) {
  const { entry } = await db
    .selectFrom('audit')
    .select('entry')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return JSON.parse(entry)
}
