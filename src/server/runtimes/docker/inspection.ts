import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { ContainerState, Exit } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'

/** What is used of the engine's description of a container. */
export interface Inspected {
  readonly Id: string
  readonly Name: string
  readonly Config: {
    readonly Tty: boolean
    readonly Entrypoint: readonly string[] | null
    readonly Labels: Record<string, string> | null
  }
  readonly State: {
    readonly Status: string
    readonly Running: boolean
    readonly ExitCode: number
    readonly OOMKilled: boolean
    /** RFC 3339, the engine's clock. */
    readonly StartedAt: string
    readonly FinishedAt: string
  }
}

const INSPECT_MS = 10_000
const RETRY_MS = 250

export async function inspect(engine: Engine, name: string, signal?: AbortSignal): Promise<Inspected | null> {
  try {
    const path = `/containers/${encodeURIComponent(name)}/json`
    const found = await engine.json<Inspected>('GET', path, {
      signal,
      deadlineMs: Math.min(INSPECT_MS, engine.patienceMs),
    })
    // The engine also takes the first digits of an id for a name.
    return found.Name === `/${name}` || found.Id === name ? found : null
  } catch (error) {
    if (isGone(error)) return null
    throw refusal(error, 'runtime_unavailable')
  }
}

/** The same, but waits for an engine that is on its way back; `away` hears when it is not there. */
export async function inspectPatiently(
  engine: Engine,
  id: string,
  signal?: AbortSignal,
  away: () => void = () => {},
): Promise<Inspected | null> {
  const until = Date.now() + engine.patienceMs
  for (;;) {
    try {
      return await inspect(engine, id, signal)
    } catch (error) {
      const isAway = error instanceof WritError && error.code === 'runtime_unavailable'
      if (!isAway || Date.now() > until) throw error
      away()
      await sleep(RETRY_MS, undefined, signal ? { signal } : {})
    }
  }
}

export function stateOf(found: Inspected): ContainerState {
  const phase = phaseOf(found)
  return {
    name: found.Name.slice(1),
    id: found.Id,
    labels: found.Config.Labels ?? {},
    phase,
    exit: phase === 'exited' ? exitOf(found) : null,
  }
}

export function phaseOf({ State }: Inspected): ContainerState['phase'] {
  if (State.Status === 'created') return wasStarted(State) ? 'exited' : 'created'
  return ['exited', 'stopped', 'dead', 'removing'].includes(State.Status) ? 'exited' : 'running'
}

/**
 * Podman makes an ended container ready to start again when somebody attaches to it, and calls it created. It kept when it was
 * started, but its exit code is gone: taken for one that never ran, its job would run a second time.
 */
export function isPreparedAnew({ State }: Inspected): boolean {
  return State.Status === 'created' && wasStarted(State)
}

function wasStarted({ StartedAt }: Inspected['State']): boolean {
  return !StartedAt.startsWith('0001-')
}

export function exitOf(found: Inspected): Exit {
  return { code: found.State.ExitCode, outOfMemory: found.State.OOMKilled }
}
