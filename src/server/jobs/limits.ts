import { WritError } from '../../protocol/errors.ts'
import type { JobSpec } from '../../protocol/job.ts'
import type { Limits } from '../runtimes/runtime.ts'
import type { EngineSettings } from './engine.ts'

/** What a job asks for of the engine; what is not there is as the server's settings say. */
export interface AskedLimits {
  readonly memoryBytes?: number
  readonly cpus?: number
  readonly pids?: number
  readonly network?: string
  readonly readOnly?: boolean
}

export type LimitSettings = Pick<
  EngineSettings,
  'jobMemory' | 'maxJobMemory' | 'jobCpus' | 'maxJobCpus' | 'jobPids' | 'maxJobPids' | 'jobNetwork' | 'allowedNetworks'
>

/** Below this no container engine starts anything. */
const LEAST_MEMORY = 8 * 1024 * 1024
const LEAST_CPUS = 0.01
/** The gate, the process 1 that reaps, the job, and something that it may start. */
const LEAST_PIDS = 8
const UNITS = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const

/** Throws `body_invalid`. */
export function askedLimits({ limits = {}, network, read_only, content }: JobSpec): AskedLimits {
  if (read_only && content) {
    // the content would have to be written to what cannot be written to
    throw new WritError('body_invalid', 'read_only and content exclude each other: put the files into the image')
  }
  return {
    ...(limits.memory === undefined ? {} : { memoryBytes: bytesOf(limits.memory) }),
    ...(limits.cpus === undefined ? {} : { cpus: limits.cpus }),
    ...(limits.pids === undefined ? {} : { pids: limits.pids }),
    ...(network ? { network } : {}),
    ...(read_only ? { readOnly: true } : {}),
  }
}

function bytesOf(memory: number | string): number {
  if (typeof memory === 'number') return memory
  const [, amount = '', unit = ''] = /^(\d{1,15})([kmg]?)$/i.exec(memory) ?? []
  if (amount === '') throw new WritError('body_invalid', 'limits.memory is neither bytes nor a number with k, m or g')
  return Number(amount) * UNITS[unit.toLowerCase() as keyof typeof UNITS]
}

/**
 * The limits of a job within what the administrator allows: checked when it is submitted, and again by the node that runs
 * it, whose settings may be others. Throws `limit_refused`, `network_refused`.
 */
export function resolveLimits(settings: LimitSettings, asked: AskedLimits): Limits {
  const within = (name: string, value: number, least: number, fallback: number, most: number): number => {
    // 0: no limit, which only the default may be
    const highest = most || fallback || Number.POSITIVE_INFINITY
    if (value >= least && value <= highest) return value
    const upTo = highest === Number.POSITIVE_INFINITY ? '' : ` and at most ${highest}`
    throw new WritError('limit_refused', `${name} is at least ${least}${upTo}`)
  }
  const { memoryBytes, cpus, pids, network } = asked
  const allowed = new Set([settings.jobNetwork, ...settings.allowedNetworks])
  if (network !== undefined && !allowed.has(network)) {
    throw new WritError('network_refused', `allowed are ${[...allowed].join(', ')}`)
  }
  const { jobMemory, maxJobMemory, jobCpus, maxJobCpus, jobPids, maxJobPids } = settings
  return {
    memoryBytes:
      memoryBytes === undefined
        ? jobMemory
        : within('limits.memory', memoryBytes, LEAST_MEMORY, jobMemory, maxJobMemory),
    cpus: cpus === undefined ? jobCpus : within('limits.cpus', cpus, LEAST_CPUS, jobCpus, maxJobCpus),
    pids: pids === undefined ? jobPids : within('limits.pids', pids, LEAST_PIDS, jobPids, maxJobPids),
    network: network ?? settings.jobNetwork,
    readOnly: asked.readOnly ?? false,
  }
}
