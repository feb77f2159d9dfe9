import type { Database, Tx } from '../store/database.ts'

/** What can be in the trail. Names and paths, never values. */
export type AuditAction =
  | 'submission.refused'
  | 'job.submitted'
  | 'job.taken_over'
  | 'job.secret_read'
  | 'job.secret_not_masked'
  | 'job.token_narrowed'
  | 'job.lease_renewed'
  | 'job.lease_revoked'
  | 'job.lease_left_to_token'
  | 'job.starting'
  | 'job.not_begun'
  | 'job.kill_requested'
  | 'job.ended'
  | 'job.token_revoked'
  | 'job.container_removed'
  | 'job.deleted'
  | 'job.expired'
  | 'gate.issued'
  | 'gate.alarm'
  | 'gate.sealed'
  | 'gate.unsealed'
  | 'gate.policies_reloaded'
  | 'watch.created'
  | 'watch.removed'
  | 'watch.configured'
  | 'watch.secret_id_replaced'
  | 'watch.refused'
  | 'watch.stopped'
  | 'watch.accepted'
  | 'watch.commit_started'
  | 'watch.request_made'
  | 'watch.commit_ended'
  | 'watch.given_up'

export interface AuditEntry {
  readonly action: AuditAction
  readonly job?: string
  /** Who: the display name and entity of the caller, or the node. */
  readonly actor: string
  readonly detail?: Readonly<Record<string, unknown>>
}

/**
 * Writes an entry in the transaction of what it records: both happen or neither (promise 8). The database numbers and chains it
 * (migration 002).
 */
export async function record(tx: Database | Tx, entry: AuditEntry): Promise<void> {
  await tx
    .insertInto('audit')
    .values({ entry: entryText(entry) })
    .execute()
}

/** An escape of JSON; whole, so that a backslash that stands for itself does not begin one. */
const ESCAPE = /\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g

/**
 * For statements that record by themselves. The attack: whoever has a name with NUL or half of a pair in it, which PostgreSQL's `jsonb`
 * refuses, keeps what he does off the trail, or keeps it from being done; so those are written as they read: `\u0000`.
 */
export function entryText(entry: AuditEntry): string {
  const text = JSON.stringify(entry)
  if (!text.includes('\\u')) return text
  return text.replace(ESCAPE, (whole, code: string) => (code.length > 1 ? `\\\\${code}` : whole))
}
