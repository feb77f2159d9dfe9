import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import { GATE_REFUSED } from '../runtime.ts'
import { readPlainFile } from './archive.ts'
import type { Engine } from './engine.ts'
import { refusal } from './engine-error.ts'
import { BEGUN, STARTED_FILE, WAITING } from './gate.ts'
import { inspect, phaseOf } from './inspection.ts'
import { endInput } from './start.ts'

const LOOK_MS = 50

/**
 * `Runtime.began`. The gate notes on the container's disk that it waits, and that it goes on before it becomes the job. A job that writes there
 * that it waits is run again if its node dies before it has noted the delivery, and so does harm to itself alone. The exit code
 * alone would not do, 125 is also what a `docker run` within a job says; nor would the note: a machine that loses its power may lose what was
 * noted last, and then no container has this exit code.
 */
export async function began(engine: Engine, name: string, signal: AbortSignal): Promise<boolean | null> {
  for (let told = false; !signal.aborted; told = true) {
    // in this order: what was noted before it ended does not change any more
    const found = await inspect(engine, name)
    if (!found) return null
    const noted = await note(engine, found.Id)
    if (noted !== WAITING) return noted === BEGUN ? true : null
    if (phaseOf(found) === 'exited') return found.State.ExitCode === GATE_REFUSED ? false : null
    if (!told && !found.Config.Tty) await endInput(engine, found.Id)
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
  }
  return null
}

async function note(engine: Engine, id: string): Promise<string | null> {
  try {
    const text = await readPlainFile(engine, id, STARTED_FILE, 64)
    // as in the image: the gate has not come that far
    return text === '' ? WAITING : (text?.trim() ?? null)
  } catch (error) {
    // something else is there now, and the gate did not put it there
    if (error instanceof WritError && error.code === 'container_refused') return null
    throw refusal(error, 'runtime_unavailable')
  }
}
