import { WritError } from '../../protocol/errors.ts'
import type { KillAnswer } from '../../protocol/job.ts'
import { isVaultError } from '../../vault/error.ts'
import { revokeAccessor } from '../../vault/token.ts'
import { record } from '../audit/audit.ts'
import { deleteJob, type Job, lockJob, requestKill } from '../store/jobs.ts'
import { asUnavailable, type Caller } from './caller.ts'
import type { Engine } from './engine.ts'
import { failure } from './outcome.ts'
import { requireJob } from './read.ts'
import { sourceOf } from './sourced.ts'
import { actorOf } from './submit.ts'

/**
 * Asks for a job to be stopped, in whatever state it is; answers the state before (gostint.md §2.9). The wish is on record, so it
 * also reaches a job that has no container yet. Throws `job_not_found`, `not_permitted`.
 */
export async function killJob(engine: Engine, caller: Caller, id: string): Promise<KillAnswer> {
  await requireJob(engine, caller, id, 'update')
  return await engine.db.transaction().execute(async tx => {
    const job = await lockJob(tx, id)
    if (!job) throw new WritError('job_not_found')
    await requestKill(tx, id)
    await record(tx, { action: 'job.kill_requested', job: id, actor: actorOf(caller), detail: { status: job.status } })
    return { _id: id, container_id: job.container_id, status: job.status, kill_requested: true }
  })
}

/** How long a removal waits for a job that has just ended to let go of its container and token. */
const RELEASE_MS = 5_000

/**
 * Removes a job that has ended, or cancels one that waits. Check and removal are one transaction (gostint.md BUG 16).
 * Throws `job_not_found`, `job_running`, `not_permitted`.
 */
export async function removeJob(engine: Engine, caller: Caller, id: string): Promise<void> {
  await requireJob(engine, caller, id, 'delete')
  const limit = AbortSignal.timeout(RELEASE_MS)
  const watch = engine.wakeups.watchJob(id, limit)
  try {
    while (!(await removeIfReleased(engine, caller, id))) {
      if (limit.aborted) throw new WritError('job_running')
      await watch.next(500)
    }
  } finally {
    watch.close()
  }
}

/** False: it has ended and still has a container or a token, and its record is how they are found. */
async function removeIfReleased(engine: Engine, caller: Caller, id: string): Promise<boolean> {
  return await engine.db.transaction().execute(async tx => {
    const job = await lockJob(tx, id)
    if (!job) throw new WritError('job_not_found')
    if (job.status === 'running' || job.status === 'stopping') throw new WritError('job_running')
    if (job.status === 'queued') await revokeWaiting(engine, job)
    else if (job.released_at === null) return false
    if (job.status === 'queued') await sourceOf(engine, job)?.ended(tx, job, failure(new WritError('job_killed')))
    await deleteJob(tx, id)
    await record(tx, { action: 'job.deleted', job: id, actor: actorOf(caller), detail: { status: job.status } })
    return true
  })
}

/** A job that is cancelled in the queue leaves no authority behind; if that cannot be made sure, it stays in the queue. */
async function revokeWaiting(engine: Engine, job: Job): Promise<void> {
  if (!job.token_accessor) return
  try {
    await revokeAccessor(engine.vault, engine.identity.token(), job.token_accessor)
  } catch (error) {
    if (isVaultError(error, 'denied')) void engine.identity.doubt()
    throw asUnavailable(error)
  }
}
