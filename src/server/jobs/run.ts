import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { isFinal } from '../../protocol/job.ts'
import type { ContainerState } from '../runtimes/runtime.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Hold, HoldLost, type Outcome, updateRun } from '../store/runs.ts'
import { containerName } from './container.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { finishJob, releaseJob } from './finish.ts'
import { failure } from './outcome.ts'
import type { Opened } from './prepare.ts'
import { resume } from './resume.ts'
import { runtimeOf } from './runtime-of.ts'
import { sourceOf } from './sourced.ts'
import { start } from './start.ts'

/**
 * Carries a claimed or taken-over job to its end and releases what it held. Each step looks at what is there before it acts, so a
 * job can be taken up again from any point at which a node died. `opened`: of a job that was claimed when it was submitted.
 */
export async function runJob(engine: Engine, job: Job, control: Control, opened?: Opened): Promise<void> {
  const hold: Hold = { id: job.id, node: engine.node, attempt: job.attempt }
  if (!isFinal(job.status)) {
    const outcome = await untilKnown(engine, job, hold, control, opened)
    await finishJob(engine, job, hold, outcome)
    // who follows it here is answered before anything else is asked of the processors
    await setImmediate()
  }
  control.ended?.()
  await releaseJob(engine, job, hold, control.lost)
}

/** Peers that are away for a while: the job waits for them and is not failed for it. */
const TRANSIENT = new Set<ErrorCode>([
  'vault_unavailable',
  'server_sealed',
  'store_unavailable',
  'runtime_unavailable',
  'watch_vault_unavailable',
  'repository_unreachable',
])
/** Of these, what others than this server answer for, and only the source of a job needs. */
const OF_SOURCE = new Set<ErrorCode>(['watch_vault_unavailable', 'repository_unreachable'])

async function untilKnown(engine: Engine, job: Job, hold: Hold, control: Control, opened?: Opened): Promise<Outcome> {
  // a job that was never claimed before has left nothing behind to look for
  let untouched = job.attempt === 1
  let awaySince: number | null = null
  let sourceAwaySince: number | null = null
  for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, 10_000)) {
    try {
      const started = untouched ? await start(engine, hold, job, control, { untouched, opened }) : null
      return started ?? (await carryOut(engine, hold, control))
    } catch (error) {
      if (control.lost.aborted || error instanceof HoldLost) throw error
      if (control.killed.aborted && error === control.killed.reason) return failure(new WritError('job_killed'))
      if (error instanceof WritError && !TRANSIENT.has(error.code)) return failure(error)
      if (isOurs(error)) {
        engine.log.error({ job: hold.id, err: error }, 'a defect of the server ended a job')
        return failure(new WritError('internal', `job ${hold.id}`, { cause: error }))
      }
      const engineAway = error instanceof WritError && error.code === 'runtime_unavailable'
      awaySince = engineAway ? (awaySince ?? performance.now()) : null
      if (awaySince !== null && (await isLost(engine, hold, awaySince))) return failure(new WritError('engine_lost'))
      const sourceAway = error instanceof WritError && OF_SOURCE.has(error.code)
      sourceAwaySince = sourceAway ? (sourceAwaySince ?? performance.now()) : null
      const patienceMs = sourceOf(engine, job)?.patienceMs ?? 0
      if (sourceAway && sourceAwaySince !== null && performance.now() - sourceAwaySince >= patienceMs)
        return failure(error)
      engine.log.warn({ job: hold.id, err: error }, 'a job waits: something it needs is away')
      await sleep(pauseMs, undefined, { signal: control.lost })
      untouched = false
    }
  }
}

/**
 * Whether an engine that holds a container of ours has been away for so long that others should not wait for it any more. A job
 * that was not started waits on: of that one everything is known.
 */
async function isLost(engine: Engine, hold: Hold, awaySince: number): Promise<boolean> {
  if (performance.now() - awaySince < engine.settings.enginePatience * 1000) return false
  const job = await findJob(engine.db, hold.id).catch(() => undefined)
  return job !== undefined && job.attempt === hold.attempt && job.stage !== 'preparing'
}

/** A defect of our own will be there the next time too: waiting for it to go away would block the queue for ever. */
function isOurs(error: unknown): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError].some(kind => error instanceof kind)
}

async function carryOut(engine: Engine, hold: Hold, control: Control): Promise<Outcome> {
  const job = await findJob(engine.db, hold.id)
  if (job?.node !== hold.node || job.attempt !== hold.attempt) throw new HoldLost(hold)
  const runtime = runtimeOf(engine, job)
  const container = await runtime.find(containerName(hold.id), control.lost)
  if (job.stage !== 'preparing') {
    // it was to be started and is not here: whether it ran cannot be known, and running it again could be the second time
    if (!container) throw new WritError('container_lost')
    if (container.phase !== 'created') return await goOn(engine, hold, job, container, control)
  }
  // by their ids: should this node have stood still since the look, another one's container has the name by now
  if (container?.phase === 'created') {
    // of an attempt that went no further: its content may be half there, so make a new one; a started one is not removed
    if (!(await runtime.removeUnstarted(container.id))) {
      return await goOn(engine, hold, job, { ...container, phase: 'running' }, control)
    }
    if (job.stage !== 'preparing') await putBack(engine, hold, control.lost)
  } else if (container) {
    // started in advance, for a node that went away then: nobody gives it its job before `starting` is on record
    await runtime.remove(container.id)
  }
  return (await start(engine, hold, job, control, { untouched: false })) ?? (await carryOut(engine, hold, control))
}

/**
 * The container of a start that did not happen is gone: a look that finds none must not take the job for lost any more. Tried until it is on
 * record. Not before it is gone, when a slow node may still start it.
 */
async function putBack(engine: Engine, hold: Hold, lost: AbortSignal): Promise<void> {
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await updateRun(engine.db, hold, { stage: 'preparing' })
    } catch (error) {
      if (error instanceof HoldLost || lost.aborted) throw error
      engine.log.warn({ job: hold.id, err: error }, 'a start that did not happen was not noted; trying again')
      await sleep(pauseMs, undefined, { signal: lost })
    }
  }
}

async function goOn(
  engine: Engine,
  hold: Hold,
  job: Job,
  container: ContainerState,
  control: Control,
): Promise<Outcome> {
  return (await resume(engine, hold, job, container, control)) ?? (await carryOut(engine, hold, control))
}
