import { setTimeout as sleep } from 'node:timers/promises'
import { isVaultError } from '../../vault/error.ts'
import { revokeAccessor } from '../../vault/token.ts'
import { type Ended, type Ending, endRuns } from '../audit/runs.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, HoldLost, lockRun, type Outcome } from '../store/runs.ts'
import { containerName } from './container.ts'
import type { Engine } from './engine.ts'
import { tellEnd } from './feed.ts'
import { endLeases } from './leases.ts'
import { runtimeOf } from './runtime-of.ts'
import type { JobSource } from './source.ts'
import { sourceOf } from './sourced.ts'

/**
 * Records the one end of a job (DESIGN §5, step 6): state, exit code, totals and audit entry in one transaction. Throws `HoldLost`.
 */
export async function finishJob(engine: Engine, job: Job, hold: Hold, outcome: Outcome): Promise<void> {
  const source = sourceOf(engine, job)
  const ending = { hold, outcome }
  const ended = source ? await endSourced(engine, source, ending) : await engine.recorder.end(ending)
  if (!ended) throw new HoldLost(hold)
  const { submitted_at, started_at, ended_at, output_bytes } = ended
  tellEnd(engine.db, hold.id, { status: outcome.status, return_code: outcome.returnCode, output_bytes })
  engine.wakeups.tellHere(hold.id)
  engine.meters.ended(outcome.status, outcome.errorCode, {
    submitted: submitted_at,
    started: started_at,
    ended: ended_at,
  })
}

/** What the source records of the end is one with it. */
async function endSourced(engine: Engine, source: JobSource, ending: Ending): Promise<Ended | undefined> {
  return await engine.db.transaction().execute(async tx => {
    const { hold, outcome } = ending
    const job = await lockRun(tx, hold)
    // before the end: that locks the head of the audit trail, and whoever changes a watch takes that one last
    await source.ended(tx, job, outcome)
    const [ended] = await endRuns(tx, [ending])
    if (!ended) throw new HoldLost(hold)
    return ended
  })
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
      await engine.recorder.release({ hold, token: Boolean(job.token_accessor) })
      return
    } catch (error) {
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
    inTurn(() => runtimeOf(engine, job).remove(containerName(hold.id))),
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
