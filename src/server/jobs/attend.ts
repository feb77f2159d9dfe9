import { setTimeout as sleep } from 'node:timers/promises'
import type { Attachment } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, HoldLost, type Outcome, updateRun } from '../store/runs.ts'
import type { StopCode } from '../store/schema.ts'
import { containerName } from './container.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { outcomeOf } from './outcome.ts'
import { storeOutput } from './output.ts'
import type { Secrets } from './secrets.ts'

/** setTimeout takes no more (24 days): a longer wait would end at once. */
const LONGEST_MS = 2 ** 31 - 1

/** A container that runs, or has run. */
export interface Attended {
  readonly attachment: Attachment
  readonly masks: Secrets
  /** How long it may still run; null: as long as it likes. */
  readonly msLeft: number | null
}

/** Stores the output of a container until it ends, stops it when it is killed or late, and says how it ended. */
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
    void stopContainer(engine, hold, code, AbortSignal.any([over.signal, control.lost]))
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
    const [exit] = await Promise.all([
      attachment.exit,
      storeOutput(engine, hold, job, attachment.output, masks, control.lost),
    ])
    return outcomeOf(exit, stopped || (control.killed.aborted ? 'job_killed' : ''))
  } finally {
    over.abort()
    clearTimeout(timer)
    control.killed.removeEventListener('abort', kill)
  }
}

/** Tries until the engine has taken it: a wish to kill comes once, and a lost one would leave the job running to its end. */
async function stopContainer(
  engine: Engine,
  hold: Hold,
  code: Exclude<StopCode, ''>,
  over: AbortSignal,
): Promise<void> {
  for (let pauseMs = 200; !over.aborted; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      await updateRun(engine.db, hold, { status: 'stopping', stop_code: code })
      await engine.runtime.stop(containerName(hold.id), engine.settings.killGraceSeconds)
      return
    } catch (error) {
      if (error instanceof HoldLost) return
      engine.log.warn({ job: hold.id, err: error }, 'a job was not stopped; trying again')
      await sleep(pauseMs, undefined, { signal: over }).catch(() => {})
    }
  }
}
