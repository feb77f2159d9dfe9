import type { Updateable } from 'kysely'
import type { Tx } from '../store/database.ts'
import { findFailure, forgetFailuresBut } from '../store/watch-failures.ts'
import type { WatchesTable } from '../store/watch-schema.ts'
import type { Watch } from '../store/watches.ts'

/**
 * Ends after which nothing but a person's wish runs a commit again: it may have run to its end, or somebody wanted it not to. What is
 * not known any more may have been one of these.
 */
const FINAL = ['container_lost', 'engine_lost', 'job_killed', '']

/**
 * What another configuration means for commits that failed: they may be tried again with what was mended. The attack, or the accident:
 * a commit of which nobody knows whether it ran, or that was cancelled, is not run again because somebody changed the poll period.
 */
export async function newStart(tx: Tx, watch: Watch): Promise<Updateable<WatchesTable> | undefined> {
  await forgetFailuresBut(tx, watch.name, FINAL)
  if (watch.failed_commit === '' || (await findFailure(tx, watch.name, watch.failed_commit))) return undefined
  return { failed_commit: '' }
}
