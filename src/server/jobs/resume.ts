import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import { type ContainerState, GATE_REFUSED } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, type Outcome, runMsLeft, updateRun } from '../store/runs.ts'
import { attend } from './attend.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { failure } from './outcome.ts'
import { openMasks } from './prepare.ts'
import { runtimeOf } from './runtime-of.ts'

/** A gate decides at once when its input ends, and after 30 s with a terminal. */
const GATE_MS = 60_000

/** Goes on with a container that an earlier attempt started. Null: it ended before the job in it began, and the job is to be started again. */
export async function resume(
  engine: Engine,
  hold: Hold,
  job: Job,
  { id, phase }: ContainerState,
  control: Control,
): Promise<Outcome | null> {
  const masks = await openMasks(engine, job, control.lost)
  const detail = { attempt: hold.attempt }
  await record(engine.db, { action: 'job.taken_over', job: hold.id, actor: hold.node, detail })
  const began = job.stage === 'running' || (await begun(engine, hold, job, id, control))
  if (began === false) return null
  const cursor = { stdout: job.stdout_raw, stderr: job.stderr_raw }
  const attachment = await runtimeOf(engine, job).attach(id, cursor, {
    given: job.stage === 'running',
    signal: control.lost,
  })
  // what has ended by itself while nobody looked was in time, however late it is now
  const msLeft = phase === 'exited' ? null : await runMsLeft(engine.db, hold.id)
  const outcome = await attend(engine, hold, job, { attachment, masks, msLeft }, control)
  // the gate runs nothing unless all secrets arrived; where that cannot be told from a job that ended so, it is not run again
  const interrupted = began === null && outcome.returnCode === GATE_REFUSED && outcome.errorCode === ''
  return interrupted ? failure(new WritError('start_interrupted'), GATE_REFUSED) : outcome
}

/**
 * Whether the job began (`Runtime.began`), or the node that started its container died before it handed over the secrets. Then the job is put
 * back to where it was before that start: a container that is gone is the sign of a lost job only behind it.
 */
async function begun(
  engine: Engine,
  hold: Hold,
  job: Job,
  container: string,
  control: Control,
): Promise<boolean | null> {
  const patience = AbortSignal.any([control.lost, control.killed, AbortSignal.timeout(GATE_MS)])
  const began = await runtimeOf(engine, job).began(container, patience)
  if (began !== false) return began
  const detail = { attempt: hold.attempt }
  await engine.db.transaction().execute(async tx => {
    await updateRun(tx, hold, { stage: 'preparing' })
    await record(tx, { action: 'job.not_begun', job: hold.id, actor: hold.node, detail })
  })
  return false
}
