import { setTimeout as sleep } from 'node:timers/promises'
import { isVaultError } from '../../vault/error.ts'
import { revokeAccessor } from '../../vault/token.ts'
import { record } from '../audit/audit.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { endRun, type Hold, HoldLost, markReleased, type Outcome } from '../store/runs.ts'
import { containerName } from './container.ts'
import type { Engine } from './engine.ts'
import { endLeases } from './leases.ts'
import { sourceOf } from './sourced.ts'

/** Records the one end of a job (DESIGN §5, step 6): state, exit code, totals and audit entry in one transaction. */
export async function finishJob(engine: Engine, hold: Hold, outcome: Outcome): Promise<void> {
  const ended = await engine.db.transaction().execute(async tx => {
    await endRun(tx, hold, outcome)
    const job = await findJob(tx, hold.id)
    if (job) await sourceOf(engine, job)?.ended(tx, job, outcome)
    await record(tx, {
      action: 'job.ended',
      job: hold.id,
      actor: hold.node,
      detail: {
        status: outcome.status,
        return_code: outcome.returnCode,
        error_code: outcome.errorCode,
        image_digest: job?.image_digest,
        output_bytes: job?.output_bytes,
        masked: job?.masked,
      },
    })
    return job
  })
  if (!ended) return
  const { submitted_at, started_at, ended_at } = ended
  const times = { submitted: submitted_at, started: started_at, ended: ended_at ?? new Date() }
  engine.meters.ended(outcome.status, outcome.errorCode, times)
}

/** First and longest pause between attempts to release. */
const PAUSE = { firstMs: 200, longestMs: 10_000 }

/**
 * Takes away everything that the job held: container, volumes, memory files, leases and token. Tries until it is done or another
 * node holds the job; what is left after a crash is found by the lease that runs out.
 */
export async function releaseJob(engine: Engine, job: Job, hold: Hold, lost: AbortSignal): Promise<void> {
  for (let pauseMs = PAUSE.firstMs; !lost.aborted; pauseMs = Math.min(pauseMs * 2, PAUSE.longestMs)) {
    try {
      await takeAway(engine, job, hold)
      await engine.db.transaction().execute(async tx => {
        if (!(await markReleased(tx, hold))) return
        await record(tx, { action: 'job.container_removed', job: hold.id, actor: hold.node })
        if (job.token_accessor) await record(tx, { action: 'job.token_revoked', job: hold.id, actor: hold.node })
      })
      return
    } catch (error) {
      if (error instanceof HoldLost) return
      if (isVaultError(error, 'denied')) await engine.identity.doubt()
      engine.log.warn({ job: hold.id, err: error }, 'a job was not released; trying again')
      await sleep(pauseMs, undefined, { signal: lost }).catch(() => {})
    }
  }
}

/** All of it is tried before the first failure is thrown: an engine that is away must not keep a token alive, nor the other way round. */
async function takeAway(engine: Engine, job: Job, hold: Hold): Promise<void> {
  const endToken = async () => {
    if (job.token_accessor) await revokeAccessor(engine.vault, engine.identity.token(), job.token_accessor)
  }
  const results = await Promise.allSettled([
    engine.runtime.remove(containerName(hold.id)),
    // leases first, for their receipts: with the token Vault would end them as well, and say nothing about it
    inTurn(() => endLeases(engine, hold.id), endToken),
    sourceOf(engine, job)?.release(job),
  ])
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function inTurn(...steps: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) await step().catch(error => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
