import type { Database } from '../store/database.ts'
import type { AuditEntry } from './audit.ts'

/** An entry with what the database added to it. */
export interface StoredEntry extends AuditEntry {
  readonly seq: number
  /** RFC 3339, UTC, microseconds; the database's clock. */
  readonly at: string
}

/** All entries about a job, in order. */
export async function listAudit(db: Database, jobId: string): Promise<StoredEntry[]> {
  const rows = await db.selectFrom('audit').select('entry').where('job_id', '=', jobId).orderBy('seq').execute()
  return rows.map(row => JSON.parse(row.entry))
}
