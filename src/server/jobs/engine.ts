import type { Logger } from 'pino'
import type { Vault } from '../../vault/client.ts'
import type { Recorder } from '../audit/recorder.ts'
import type { Identity } from '../identity/identity.ts'
import type { KubernetesRuntime } from '../runtimes/kubernetes/kubernetes-runtime.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { QueueWidth } from '../store/claims.ts'
import type { Database } from '../store/database.ts'
import type { Wakeups } from '../store/wakeups.ts'
import type { Meters } from './meters.ts'
import type { Pulse } from './pulse.ts'
import type { JobSource } from './source.ts'
import type { TimeBounds } from './time-limits.ts'

/** What the steps of a job need to know; part of the server's configuration (docs/configuration.md says what each means). */
export interface EngineSettings extends TimeBounds {
  readonly vaultAddr: string
  /** Empty: the same. */
  readonly vaultExternalAddr: string
  /** PEM, for jobs that speak to Vault themselves. */
  readonly vaultCa: string | null
  readonly jobRole: string
  readonly jobRoleId: string
  readonly serverKey: string
  /** A SecretID that somebody wrapped anew is taken, as GoStint did: nobody can tell it from an interceptor's. */
  readonly acceptRewrapped: boolean
  /** Submitting needs `create` on the queue and the image. */
  readonly requireAcl: boolean
  readonly concurrency: number
  readonly clusterConcurrency: number
  readonly queueWidths: readonly QueueWidth[]
  readonly leaseMs: number
  readonly retentionSeconds: number
  readonly killGraceSeconds: number
  /** Seconds. */
  readonly enginePatience: number
  readonly jobMemory: number
  /** 0: what jobs get by default. */
  readonly maxJobMemory: number
  /** 0: all. */
  readonly jobCpus: number
  readonly maxJobCpus: number
  readonly jobPids: number
  readonly maxJobPids: number
  readonly jobNetwork: string
  readonly allowedNetworks: readonly string[]
  /** Bytes of output that are kept of a job. */
  readonly outputLimit: number
  /** Bytes of output in the answer about a job: it is built in memory, and whoever wants more follows the job. */
  readonly answerOutput: number
  /** Bytes of output after which a job is stopped; 0: it may write any number. */
  readonly maxOutput: number
}

/** The parts that the steps of a job work with; made once, in main.ts. */
export interface Engine {
  readonly node: string
  /** Of the database, and so the same for all nodes. */
  readonly installation: string
  readonly settings: EngineSettings
  readonly db: Database
  readonly recorder: Recorder
  readonly pulse: Pulse
  readonly wakeups: Wakeups
  readonly vault: Vault
  readonly identity: Identity
  readonly runtime: Runtime
  /** By namespace; absent: nothing runs on Kubernetes. */
  readonly kubernetes?: ReadonlyMap<string, KubernetesRuntime> | undefined
  readonly meters: Meters
  readonly log: Logger
  /** Makes jobs of the form `watch`; absent where nothing does. */
  readonly source?: JobSource | undefined
}
