import { record } from '../audit/audit.ts'
import { endOverdue } from '../store/claims.ts'
import type { Job } from '../store/jobs.ts'
import type { Engine } from './engine.ts'
import { sourceOf } from './sourced.ts'

/** Ends, on record, one job that has waited longer than it may. It never started, and has only its token to be released. */
export async function endOverdueJob(engine: Engine): Promise<Job | undefined> {
  return await engine.db.transaction().execute(async tx => {
    const job = await endOverdue(tx, engine.node, engine.settings.leaseMs)
    if (!job) return undefined
    const outcome = { status: 'failed', returnCode: 0, errorCode: job.error_code, errorText: job.error_text } as const
    await sourceOf(engine, job)?.ended(tx, job, outcome)
    const detail = { status: job.status, return_code: 0, error_code: job.error_code }
    await record(tx, { action: 'job.ended', job: job.id, actor: engine.node, detail })
    return job
  })
}
