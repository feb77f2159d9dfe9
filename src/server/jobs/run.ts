import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { isFinal } from '../../protocol/job.ts'
import { Secret } from '../../vault/secret.ts'
import { record } from '../audit/audit.ts'
import type { Attachment, Exit } from '../runtimes/runtime.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Hold, HoldLost, markStarting, type Outcome, updateRun } from '../store/runs.ts'
import { containerName, containerSpec, secretFiles } from './container.ts'
import type { Engine } from './engine.ts'
import { finishJob, releaseJob } from './finish.ts'
import { type Order, readMetadata } from './order.ts'
import { storeOutput } from './output.ts'
import { seal, unseal } from './sealed.ts'
import { resolveSecrets, type Secrets } from './secrets.ts'

/** Exit code of a container whose secrets did not arrive (`Runtime.start`). */
const GATE_REFUSED = 125

/** What may happen to a job from outside while it runs. */
export interface Control {
  /** This node does not hold the job any more, or shuts down: leave everything as it is and go away. */
  readonly lost: AbortSignal
  /** Somebody wants it stopped. */
  readonly killed: AbortSignal
}

/**
 * Carries a claimed or taken-over job to its end and releases what it held. Each step looks at what is there before it acts, so a
 * job can be taken up again from any point at which a node died.
 */
export async function runJob(engine: Engine, job: Job, control: Control): Promise<void> {
  const hold: Hold = { id: job.id, node: engine.node, attempt: job.attempt }
  if (!isFinal(job.status)) {
    const outcome = await untilKnown(engine, job, hold, control)
    await finishJob(engine, hold, outcome)
  }
  await releaseJob(engine, job, hold, control.lost)
}

/** Peers that are away for a while: the job waits for them and is not failed for it. */
const TRANSIENT = new Set<ErrorCode>(['vault_unavailable', 'server_sealed', 'store_unavailable', 'runtime_unavailable'])

async function untilKnown(engine: Engine, job: Job, hold: Hold, control: Control): Promise<Outcome> {
  // a job that was never claimed before has left nothing behind to look for
  let untouched = job.attempt === 1
  for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, 10_000)) {
    try {
      return untouched ? await start(engine, hold, job, control) : await carryOut(engine, hold, control)
    } catch (error) {
      if (control.lost.aborted || error instanceof HoldLost) throw error
      if (control.killed.aborted && error === control.killed.reason) return failure(new WritError('job_killed'))
      if (error instanceof WritError && !TRANSIENT.has(error.code)) return failure(error)
      if (isOurs(error)) {
        engine.log.error({ job: hold.id, err: error }, 'a defect of the server ended a job')
        return failure(new WritError('internal', `job ${hold.id}`, { cause: error }))
      }
      engine.log.warn({ job: hold.id, err: error }, 'a job waits: something it needs is away')
      await sleep(pauseMs, undefined, { signal: control.lost })
      untouched = false
    }
  }
}

/** A defect of our own will be there the next time too: waiting for it to go away would block the queue for ever. */
function isOurs(error: unknown): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError].some(kind => error instanceof kind)
}

async function carryOut(engine: Engine, hold: Hold, control: Control): Promise<Outcome> {
  const job = await findJob(engine.db, hold.id)
  if (job?.node !== hold.node || job.attempt !== hold.attempt) throw new HoldLost(hold)
  const container = await engine.runtime.find(containerName(hold.id), control.lost)
  if (container && container.phase !== 'created') return await resume(engine, hold, job, control)
  // it was to be started and is not here: whether it ran cannot be known, and running it again could be the second time
  if (!container && job.stage !== 'preparing') throw new WritError('container_lost')
  // created by an attempt that went no further: its content may be half there, so make a new one; a started one is not removed
  if (container && !(await engine.runtime.removeUnstarted(containerName(hold.id)))) {
    return await resume(engine, hold, job, control)
  }
  return await start(engine, hold, job, control)
}

async function start(engine: Engine, hold: Hold, job: Job, control: Control): Promise<Outcome> {
  const giveUp = AbortSignal.any([control.lost, control.killed])
  giveUp.throwIfAborted()
  const [orderText = '', tokenText = ''] = await unseal(engine, [job.sealed_spec ?? '', job.sealed_token ?? ''], giveUp)
  const order = JSON.parse(orderText) as Order
  const image = await engine.runtime.image(order.image, order.pullPolicy, {
    signal: giveUp,
    onProgress: line => engine.log.debug({ job: hold.id, line }, 'pull'),
  })
  const refs = [...readMetadata(image.metadata, 'gostint_image.yml').secretRefs, ...order.secretRefs]
  const token = new Secret(tokenText)
  const secrets = await resolveSecrets(
    engine,
    { id: hold.id, token, refs, continueOnWarnings: order.continueOnWarnings },
    giveUp,
  )
  // no reference can have a name with a blank
  const masks = secrets.get('TOKEN') === token ? secrets : new Map([...secrets, ['job token', token]])
  await updateRun(engine.db, hold, {
    sealed_masks: await sealMasks(engine, masks),
    image_digest: image.digest,
  })
  const containerId = await engine.runtime.create(containerSpec(engine, hold.id, hold.attempt, order, image), giveUp)
  // an earlier attempt of a node that was slow and not dead made it in between: look again at what there is
  if (containerId === null) return await carryOut(engine, hold, control)
  await announceStart(engine, hold, containerId)
  const attachment = await engine.runtime.start(containerId, secretFiles(engine, order, secrets, token), control.lost)
  await updateRun(engine.db, hold, { stage: 'running' })
  return await attend(engine, hold, job, attachment, masks, control)
}

/** From here on the job counts as possibly started. The last moment for a kill to prevent it. */
async function announceStart(engine: Engine, hold: Hold, containerId: string): Promise<void> {
  const go = await engine.db.transaction().execute(async tx => {
    if (!(await markStarting(tx, hold, containerId))) return false
    await record(tx, { action: 'job.starting', job: hold.id, actor: hold.node, detail: { container: containerId } })
    return true
  })
  if (go) return
  const job = await findJob(engine.db, hold.id)
  throw job?.kill_requested && job.attempt === hold.attempt ? new WritError('job_killed') : new HoldLost(hold)
}

/** Goes on with a container that an earlier attempt started. */
async function resume(engine: Engine, hold: Hold, job: Job, control: Control): Promise<Outcome> {
  const [masks = '{}'] = job.sealed_masks ? await unseal(engine, [job.sealed_masks], control.lost) : []
  const secrets = new Map(
    Object.entries(JSON.parse(masks) as Record<string, string>).map(([k, v]) => [k, new Secret(v)]),
  )
  await record(engine.db, {
    action: 'job.taken_over',
    job: hold.id,
    actor: hold.node,
    detail: { attempt: hold.attempt },
  })
  const cursor = { stdout: job.stdout_raw, stderr: job.stderr_raw }
  const attachment = await engine.runtime.attach(containerName(hold.id), cursor, control.lost)
  const outcome = await attend(engine, hold, job, attachment, secrets, control)
  // the gate runs nothing unless all secrets arrived; who died between start and delivery left a container that says so
  const interrupted = job.stage === 'starting' && outcome.returnCode === GATE_REFUSED && outcome.errorCode === ''
  return interrupted ? { ...failure(new WritError('start_interrupted')), returnCode: GATE_REFUSED } : outcome
}

/** Stores the output until it ends, stops the container when it is killed, and says how it ended. */
async function attend(
  engine: Engine,
  hold: Hold,
  job: Job,
  attachment: Attachment,
  secrets: Secrets,
  control: Control,
): Promise<Outcome> {
  const over = new AbortController()
  const stop = () => void stopContainer(engine, hold, AbortSignal.any([over.signal, control.lost]))
  if (control.killed.aborted || job.kill_requested) stop()
  else control.killed.addEventListener('abort', stop, { once: true })
  try {
    const [exit] = await Promise.all([
      attachment.exit,
      storeOutput(engine, hold, job, attachment.output, secrets, control.lost),
    ])
    const killed = control.killed.aborted || job.kill_requested
    const error = endedBy(exit, killed)
    return {
      status: exit.code === 0 && !killed ? 'success' : 'failed',
      returnCode: exit.code,
      errorCode: error?.code ?? '',
      errorText: error?.message ?? '',
    }
  } finally {
    over.abort()
    control.killed.removeEventListener('abort', stop)
  }
}

/** Tries until the engine has taken it: a wish to kill comes once, and a lost one would leave the job running to its end. */
function endedBy(exit: Exit, killed: boolean): WritError | null {
  if (killed) return new WritError('job_killed')
  // the flag is also set when the kernel ended a child of the job and the job itself went on to a good end
  return exit.outOfMemory && exit.code !== 0 ? new WritError('out_of_memory') : null
}

async function stopContainer(engine: Engine, hold: Hold, over: AbortSignal): Promise<void> {
  for (let pauseMs = 200; !over.aborted; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      await updateRun(engine.db, hold, { status: 'stopping' })
      await engine.runtime.stop(containerName(hold.id), engine.settings.killGraceSeconds)
      return
    } catch (error) {
      if (error instanceof HoldLost) return
      engine.log.warn({ job: hold.id, err: error }, 'a job was not stopped; trying again')
      await sleep(pauseMs, undefined, { signal: over }).catch(() => {})
    }
  }
}

/** The values to mask, kept encrypted for whoever takes over: he must mask as we do and may not read the secrets again. */
async function sealMasks(engine: Engine, secrets: Secrets): Promise<string> {
  const masks = Object.fromEntries([...secrets].map(([name, secret]) => [name, secret.reveal()]))
  const [sealed = ''] = await seal(engine, [JSON.stringify(masks)])
  return sealed
}

/** How a job ends that an error of ours ended. What cannot be known is `unknown`, and a refused authority `notauthorised`. */
function failure(error: WritError): Outcome {
  const status =
    error.code === 'container_lost' ? 'unknown' : error.code === 'authority_refused' ? 'notauthorised' : 'failed'
  return { status, returnCode: 0, errorCode: error.code, errorText: error.message }
}
