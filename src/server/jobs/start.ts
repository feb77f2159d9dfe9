import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../protocol/errors.ts'
import type { Starting } from '../audit/runs.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Hold, HoldLost, noteBegun, type Outcome, runMsLeft, updateRun } from '../store/runs.ts'
import { attend } from './attend.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { type Given, type Opened, type Prepared, prepareJob } from './prepare.ts'
import { prepareSourced } from './prepare-sourced.ts'
import { runtimeOf } from './runtime-of.ts'
import { sourceOf } from './sourced.ts'

/** `opened`: of a job that was taken in just now. */
interface Attempt {
  /** Nobody ever tried. */
  readonly untouched: boolean
  readonly opened?: Opened | undefined
}

/**
 * Runs a job of which there is no container. Null: an earlier attempt of a node that was slow and not dead
 * made one in between.
 */
export async function start(
  engine: Engine,
  hold: Hold,
  job: Job,
  control: Control,
  attempt: Attempt,
): Promise<Outcome | null> {
  const giveUp = AbortSignal.any([control.lost, control.killed])
  giveUp.throwIfAborted()
  const source = sourceOf(engine, job)
  const prepared = source
    ? await prepareSourced(engine, source, hold, job, giveUp)
    : await prepareJob(engine, hold, job, { ...attempt, signal: giveUp })
  // not given up for a kill: the engine would go on with it, and make the container behind the release of the job
  const containerId = await create(engine, hold, prepared, control.lost)
  if (containerId === null) return null
  const { files, masks } = await announced(engine, hold, job, containerId, prepared, { giveUp, lost: control.lost })
  const attachment = await runtimeOf(engine, job).start(containerId, files, control.lost)
  const noted = noteRunning(engine, hold, control.lost)
  const now = prepared.spoke ? ((await findJob(engine.db, hold.id)) ?? job) : job
  const msLeft = job.run_seconds === null ? null : await runMsLeft(engine.db, hold.id)
  const outcome = await attend(engine, hold, now, { attachment, masks, msLeft }, control)
  await noted
  return outcome
}

async function create(
  engine: Engine,
  hold: Hold,
  { create: make, imageDigest }: Prepared,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    return await make(signal)
  } catch (error) {
    // it is recorded with the start, and there will be none; which image it was may be why
    await updateRun(engine.db, hold, { image_digest: imageDigest }).catch(() => {})
    throw error
  }
}

/**
 * Asks for the secrets and puts the start on record. The container of a job that is another node's by then is of no use to anybody: that one looked
 * before it was there, and may have ended the job.
 */
async function announced(
  engine: Engine,
  hold: Hold,
  job: Job,
  containerId: string,
  prepared: Prepared,
  { giveUp, lost }: { giveUp: AbortSignal; lost: AbortSignal },
): Promise<Given> {
  let announcing = false
  try {
    giveUp.throwIfAborted()
    const given = await prepared.secrets()
    announcing = true
    await announceStart(engine, {
      hold,
      containerId,
      imageDigest: prepared.imageDigest,
      sealedMasks: given.sealedMasks,
    })
    return given
  } catch (error) {
    // a start that is perhaps on record needs its container: one that is gone then is the sign of a lost job
    if (error instanceof HoldLost || (lost.aborted && !announcing)) {
      await runtimeOf(engine, job)
        .removeUnstarted(containerId)
        .catch(reason =>
          engine.log.warn({ job: hold.id, err: reason }, 'a container that no job needs was not removed'),
        )
    }
    throw error
  }
}

/** From here on the job counts as possibly started. The last moment for a kill to prevent it. */
async function announceStart(engine: Engine, starting: Starting): Promise<void> {
  if (await engine.recorder.start(starting)) return
  const { hold } = starting
  const job = await findJob(engine.db, hold.id)
  throw job?.kill_requested && job.attempt === hold.attempt ? new WritError('job_killed') : new HoldLost(hold)
}

/**
 * That the job has its secrets, for whoever takes over. Nobody waits for it before the end; it is tried until the database takes it,
 * as the output is.
 */
function noteRunning(engine: Engine, hold: Hold, lost: AbortSignal): Promise<void> {
  const note = async () => {
    for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      try {
        return await noteBegun(engine.db, hold)
      } catch (error) {
        if (error instanceof HoldLost || lost.aborted) throw error
        engine.log.warn({ job: hold.id, err: error }, 'a start was not noted; trying again')
        await sleep(pauseMs, undefined, { signal: lost })
      }
    }
  }
  const noted = note()
  noted.catch(() => {})
  return noted
}
