import type { Updateable } from 'kysely'
import type { Tx } from '../store/database.ts'
import type { WatchesTable } from '../store/watch-schema.ts'
import { newestRun } from '../store/watch-tasks.ts'
import type { Watch } from '../store/watches.ts'

/** Ends after which nothing but a person's wish runs a commit again: it may have run to its end, or somebody wanted it not to. */
const FINAL = new Set(['container_lost', 'engine_lost', 'job_killed'])

/**
 * What another configuration means for a commit that failed: it may be tried again with what was mended. The attack, or the accident:
 * a commit of which nobody knows whether it ran, or that was cancelled, is not run again because somebody changed the poll period.
 */
export async function newStart(tx: Tx, watch: Watch): Promise<Updateable<WatchesTable> | undefined> {
  if (watch.failed_commit === '') return undefined
  const run = await newestRun(tx, watch.name, watch.failed_commit)
  // what is not known any more may have been one of these
  if (!run || FINAL.has(run.reason_code)) return undefined
  return { failed_commit: '', failures: 0, retry_at: null }
}
