import { setTimeout as sleep } from 'node:timers/promises'
import type { Attachment } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import { type Hold, HoldLost, type Outcome, updateRun } from '../store/runs.ts'
import { containerName } from './container.ts'
import type { Control } from './control.ts'
import type { Engine } from './engine.ts'
import { outcomeOf } from './outcome.ts'
import { storeOutput } from './output.ts'
import type { Secrets } from './secrets.ts'

/** Stores the output of a container until it ends, stops it when it is killed, and says how it ended. */
export async function attend(
  engine: Engine,
  hold: Hold,
  job: Job,
  attachment: Attachment,
  masks: Secrets,
  control: Control,
): Promise<Outcome> {
  const over = new AbortController()
  const stop = () => void stopContainer(engine, hold, AbortSignal.any([over.signal, control.lost]))
  if (control.killed.aborted || job.kill_requested) stop()
  else control.killed.addEventListener('abort', stop, { once: true })
  try {
    const [exit] = await Promise.all([
      attachment.exit,
      storeOutput(engine, hold, job, attachment.output, masks, control.lost),
    ])
    return outcomeOf(exit, control.killed.aborted || job.kill_requested)
  } finally {
    over.abort()
    control.killed.removeEventListener('abort', stop)
  }
}

/** Tries until the engine has taken it: a wish to kill comes once, and a lost one would leave the job running to its end. */
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
