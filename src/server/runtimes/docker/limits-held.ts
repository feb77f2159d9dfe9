import { WritError } from '../../../protocol/errors.ts'
import type { Engine } from './engine.ts'

/** The engine's answer when it has made a container. */
export interface Made {
  readonly Id: string
  readonly Warnings?: readonly string[] | null
}

/** As the engine is asked for them, and as it tells of them; 0 is none. */
export interface HostLimits {
  readonly Memory: number
  readonly PidsLimit: number
  readonly NanoCpus: number
}

const NAMES = ['Memory', 'PidsLimit', 'NanoCpus'] as const

/**
 * The container has the limits that were asked for. The attack: one job takes the memory or the processes of all others, on an engine
 * that cannot hold a limit and makes the container without it. Docker says so in a warning only ("Limitation discarded"); Podman
 * without root and with cgroups of version 1 says nothing to whoever asks, so it is asked what it has made. Throws `limits_not_held`.
 */
export async function requireLimits(engine: Engine, made: Made, wanted: HostLimits): Promise<void> {
  const discarded = made.Warnings?.find(text => /discarded/i.test(text))
  if (discarded) throw new WritError('limits_not_held', discarded)
  if (!(await engine.isPodman())) return
  const { HostConfig: held } = await engine.json<{ HostConfig: HostLimits }>('GET', `/containers/${made.Id}/json`)
  const lost = NAMES.filter(name => wanted[name] > 0 && !(held[name] > 0))
  if (lost.length > 0) throw new WritError('limits_not_held', `${lost.join(', ')} of the container: none`)
}
