import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, type Outcome, runMsLeft } from '../store/runs.ts'
import { attend } from './attend.ts'
import { containerName } from './container.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { failure } from './outcome.ts'
import { openMasks } from './prepare.ts'

/** Exit code of a container whose secrets did not arrive (`Runtime.start`). */
const GATE_REFUSED = 125

/** Goes on with a container that an earlier attempt started. */
export async function resume(
  engine: Engine,
  hold: Hold,
  job: Job,
  phase: 'running' | 'exited',
  control: Control,
): Promise<Outcome> {
  const masks = await openMasks(engine, job, control.lost)
  const detail = { attempt: hold.attempt }
  await record(engine.db, { action: 'job.taken_over', job: hold.id, actor: hold.node, detail })
  const cursor = { stdout: job.stdout_raw, stderr: job.stderr_raw }
  const attachment = await engine.runtime.attach(containerName(hold.id), cursor, {
    given: job.stage === 'running',
    signal: control.lost,
  })
  // what has ended by itself while nobody looked was in time, however late it is now
  const msLeft = phase === 'exited' ? null : await runMsLeft(engine.db, hold.id)
  const outcome = await attend(engine, hold, job, { attachment, masks, msLeft }, control)
  // the gate runs nothing unless all secrets arrived; who died between start and delivery left a container that says so
  const interrupted = job.stage === 'starting' && outcome.returnCode === GATE_REFUSED && outcome.errorCode === ''
  return interrupted ? failure(new WritError('start_interrupted'), GATE_REFUSED) : outcome
}
