import { WritError } from '../../protocol/errors.ts'
import type { Tx } from '../store/database.ts'
import { insertJob, type Job } from '../store/jobs.ts'
import type { JobOrigin } from '../store/schema.ts'
import type { Engine } from './engine.ts'
import type { Order } from './order.ts'
import type { JobSource } from './source.ts'
import type { TimeLimits } from './time-limits.ts'

/** What is kept of such a job until it runs. */
export interface SourcedOrder {
  readonly order: Order
  /** For the source itself, which gets it back when it is asked. */
  readonly detail: unknown
}

/** A job of a source. What it runs in is on record; what it is given is asked of the source when it runs. */
export interface SourcedJob {
  readonly id: string
  readonly qname: string
  readonly image: string
  /** A `SourcedOrder` as JSON, as `seal` made it. */
  readonly sealedOrder: string
  readonly outputLimit: number
  readonly timeLimits: TimeLimits
  readonly origin: JobOrigin
  /** Absent: on the container engine of the server. */
  readonly kubernetesNamespace?: string | undefined
}

/** Puts a job of a source into its queue, in the caller's transaction: what the source records of it and the job are one. */
export async function insertSourcedJob(tx: Tx, job: SourcedJob): Promise<void> {
  await insertJob(tx, {
    id: job.id,
    qname: job.qname,
    form: 'watch',
    image: job.image,
    tty: false,
    // belongs to nobody: who may read it is said by policies on its queue and on its watch
    submitterEntity: '',
    submitterAccessorHash: '',
    sealedSpec: job.sealedOrder,
    sealedToken: null,
    tokenAccessor: null,
    tokenRenewAt: null,
    outputLimit: job.outputLimit,
    limits: job.timeLimits,
    origin: job.origin,
    kubernetesNamespace: job.kubernetesNamespace,
  })
}

/** The source of a job, or null for one that somebody submitted. */
export function sourceOf(engine: Engine, job: Pick<Job, 'form'>): JobSource | null {
  if (job.form !== 'watch') return null
  if (!engine.source) throw new WritError('internal', 'a job of a watch, and no watch')
  return engine.source
}
