import { WritError } from '../../protocol/errors.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Hold, HoldLost, type Outcome, runMsLeft, updateRun } from '../store/runs.ts'
import { attend } from './attend.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { prepareJob } from './prepare.ts'
import { prepareSourced } from './prepare-sourced.ts'
import { sourceOf } from './sourced.ts'

/** Runs a job of which there is no container. Null: an earlier attempt of a node that was slow and not dead made one in between. */
export async function start(engine: Engine, hold: Hold, job: Job, control: Control): Promise<Outcome | null> {
  const giveUp = AbortSignal.any([control.lost, control.killed])
  giveUp.throwIfAborted()
  const source = sourceOf(engine, job)
  const prepared = source
    ? await prepareSourced(engine, source, hold, job, giveUp)
    : await prepareJob(engine, hold, job, giveUp)
  const containerId = await engine.runtime.create(prepared.container, giveUp)
  if (containerId === null) return null
  const { files, masks } = await prepared.secrets()
  await announceStart(engine, hold, containerId)
  const attachment = await engine.runtime.start(containerId, files, control.lost)
  await updateRun(engine.db, hold, { stage: 'running' })
  const now = prepared.spoke ? ((await findJob(engine.db, hold.id)) ?? job) : job
  const msLeft = job.run_seconds === null ? null : await runMsLeft(engine.db, hold.id)
  return await attend(engine, hold, now, { attachment, masks, msLeft }, control)
}

/** From here on the job counts as possibly started. The last moment for a kill to prevent it. */
async function announceStart(engine: Engine, hold: Hold, containerId: string): Promise<void> {
  if (await engine.recorder.start({ hold, containerId })) return
  const job = await findJob(engine.db, hold.id)
  throw job?.kill_requested && job.attempt === hold.attempt ? new WritError('job_killed') : new HoldLost(hold)
}
