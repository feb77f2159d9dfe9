import { WritError } from '../../../protocol/errors.ts'
import type { Exit } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { isGone } from './engine-error.ts'
import { hasSeen } from './engine-events.ts'
import { exitOf, type Inspected, inspectPatiently, isPreparedAnew } from './inspection.ts'

/**
 * A `wait` is asked anew after this time, with a look at the container between: a stopped engine keeps a `wait` open
 * for ever.
 */
const SLICE_MS = 60_000
/** By SIGKILL: somebody's, or the kernel's for lack of memory. */
const KILLED = 137
const NEWS_SECONDS = 0.2
/** What an engine says that finds a container ended and never heard how. Some programs end so by themselves, `ssh` for one. */
const UNKNOWN = 255

export interface ExitWatch {
  readonly exit: Promise<Exit>
  /** Resolves when the engine has said that it ended, a moment before `exit`, which asks how. */
  readonly ended: Promise<void>
  /** Resolves when the engine was lost from sight, even if it came back: what streamed meanwhile may have gaps. */
  readonly interrupted: Promise<void>
}

/**
 * Waits for the end of a container that was started. (Of one that was only created, the engine says at once that it
 * ended with 0.) The answer of `wait` is only a hint to look: it lacks the out-of-memory flag, and when the engine dies
 * in the middle of it, it never comes. `resumed`: nobody looked for a while.
 */
export function watchExit(
  engine: Engine,
  id: string,
  { resumed = false, signal }: { resumed?: boolean; signal?: AbortSignal | undefined } = {},
): ExitWatch {
  let interrupt = () => {}
  const interrupted = new Promise<void>(resolve => {
    interrupt = resolve
  })
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  const exit = endOf(engine, id, { interrupt, end }, { away: resumed }, signal)
  // Whoever reads the output first must not be ended by a rejection that nobody awaits yet.
  exit.catch(() => {})
  return { exit, ended, interrupted }
}

interface Hears {
  interrupt(): void
  end(): void
}

async function endOf(
  engine: Engine,
  id: string,
  { interrupt, end }: Hears,
  sight: { away: boolean },
  signal?: AbortSignal,
): Promise<Exit> {
  const away = () => {
    sight.away = true
    interrupt()
  }
  for (;;) {
    const code = await answered(engine, id, away, signal)
    if (code !== undefined) end()
    const found = await inspectPatiently(engine, id, signal, away)
    const told = found !== null && !isPreparedAnew(found)
    if (told && !found.State.Running) {
      const exit = await withMemory(engine, found, signal)
      return sight.away && (await isUncertain(engine, found, signal)) ? { ...exit, uncertain: true } : exit
    }
    if (told) continue
    // Removed by somebody else at once, or prepared anew; what `wait` said still holds.
    if (code !== undefined) return { code, outOfMemory: false }
    throw new WritError('container_lost')
  }
}

/** An engine that was there all the time, or at its end, has heard the code. */
async function isUncertain(engine: Engine, found: Inspected, signal?: AbortSignal): Promise<boolean> {
  if (found.State.ExitCode !== UNKNOWN || (await engine.isPodman(signal))) return false
  return !(await hasSeen(engine, found, ['start', 'die'], { waitSeconds: NEWS_SECONDS, signal }))
}

/**
 * The engine hears of a lack of memory and of the end on two ways; when the end is first, its flag stays false for ever
 * (seen on a busy machine), and only its events tell.
 */
async function withMemory(engine: Engine, found: Inspected, signal?: AbortSignal): Promise<Exit> {
  const exit = exitOf(found)
  if (exit.code !== KILLED || exit.outOfMemory) return exit
  return { ...exit, outOfMemory: await hasSeen(engine, found, ['oom'], { waitSeconds: NEWS_SECONDS, signal }) }
}

async function answered(engine: Engine, id: string, interrupt: () => void, signal?: AbortSignal) {
  const slice = AbortSignal.timeout(SLICE_MS)
  const either = signal ? AbortSignal.any([signal, slice]) : slice
  try {
    const answer = await engine.json<{ StatusCode: number }>('POST', `/containers/${id}/wait`, {
      signal: either,
      deadlineMs: 0,
    })
    // Podman says -1 of one that does not run and has no code
    return answer.StatusCode < 0 ? undefined : answer.StatusCode
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (!slice.aborted && !isGone(error)) interrupt()
    return undefined
  }
}
