import { setTimeout as sleep } from 'node:timers/promises'
import type { Attachment, Exit } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, HoldLost, type Outcome, updateRun } from '../store/runs.ts'
import type { StopCode } from '../store/schema.ts'
import { containerName } from './container.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { outcomeOf } from './outcome.ts'
import { storeOutput } from './output.ts'
import { upTo, writtenBefore } from './output-bound.ts'
import { runtimeOf } from './runtime-of.ts'
import type { Secrets } from './secrets.ts'

/** setTimeout takes no more (24 days): a longer wait would end at once. */
const LONGEST_MS = 2 ** 31 - 1
const LAST_OUTPUT_MS = 5_000

/** A container ends so long after its grace at the most, if its engine is well. */
const BEYOND_GRACE_MS = 2_000

/** A container that runs, or has run. */
export interface Attended {
  readonly attachment: Attachment
  readonly masks: Secrets
  /** How long it may still run; null: as long as it likes. */
  readonly msLeft: number | null
}

/** Stores the output of a container until it ends, stops it when it is killed, late or writes too much, and says how it ended. */
export async function attend(
  engine: Engine,
  hold: Hold,
  job: Job,
  { attachment, masks, msLeft }: Attended,
  control: Control,
): Promise<Outcome> {
  const over = new AbortController()
  let stopped: StopCode = ''
  const stop = (code: Exclude<StopCode, ''>) => {
    if (stopped) return
    stopped = code
    void stopContainer(engine, job, hold, code, AbortSignal.any([over.signal, control.lost]))
  }
  const kill = () => stop('job_killed')
  // an earlier attempt may have asked for it, and died before the engine heard
  if (job.stop_code) stop(job.stop_code)
  else if (control.killed.aborted || job.kill_requested) kill()
  else control.killed.addEventListener('abort', kill, { once: true })
  let timer: NodeJS.Timeout | undefined
  const stopIn = (ms: number) => {
    const next = () => (ms > LONGEST_MS ? stopIn(ms - LONGEST_MS) : stop('job_timeout'))
    timer = setTimeout(next, Math.min(Math.max(0, ms), LONGEST_MS))
  }
  if (msLeft !== null) stopIn(msLeft)
  try {
    const most = engine.settings.maxOutput
    const full = async () => {
      stop('job_output_limit')
      // not read meanwhile: what a job cannot write does not come into the engine's copy either
      const graceMs = engine.settings.killGraceSeconds * 1000 + BEYOND_GRACE_MS
      await Promise.race([attachment.exit.catch(() => {}), sleep(graceMs, undefined, { signal: control.lost })])
    }
    const output = most > 0 ? upTo(most, writtenBefore(job), attachment, full) : attachment.output
    const stored = storeOutput(engine, hold, job, output, masks, control.lost)
    const [exit] = await Promise.all([unlessLost(attachment.exit, stored), stored])
    return outcomeOf(exit, stopped || (control.killed.aborted ? 'job_killed' : ''))
  } finally {
    over.abort()
    clearTimeout(timer)
    control.killed.removeEventListener('abort', kill)
  }
}

/** What came of the output before the end was lost is stored first, if that is to be had: behind the end it could not be. */
async function unlessLost(exit: Promise<Exit>, stored: Promise<void>): Promise<Exit> {
  try {
    return await exit
  } catch (error) {
    await Promise.race([stored.catch(() => {}), sleep(LAST_OUTPUT_MS)])
    throw error
  }
}

/** Tries until the engine has taken it: a wish to kill comes once, and a lost one would leave the job running to its end. */
async function stopContainer(
  engine: Engine,
  job: Job,
  hold: Hold,
  code: Exclude<StopCode, ''>,
  over: AbortSignal,
): Promise<void> {
  for (let pauseMs = 200; !over.aborted; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      await updateRun(engine.db, hold, { status: 'stopping', stop_code: code })
      await runtimeOf(engine, job).stop(containerName(hold.id), engine.settings.killGraceSeconds)
      return
    } catch (error) {
      if (error instanceof HoldLost) return
      engine.log.warn({ job: hold.id, err: error }, 'a job was not stopped; trying again')
      await sleep(pauseMs, undefined, { signal: over }).catch(() => {})
    }
  }
}
