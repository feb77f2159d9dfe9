import type { Secret } from '../../vault/secret.ts'
import type { Tx } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import type { Outcome } from '../store/runs.ts'

/**
 * Something that makes jobs by itself, where nobody submits them and no authority comes with them. Given to the engine by the
 * composition root; whatever it throws ends the job, or makes it wait where that is what the code means.
 */
export interface JobSource {
  /**
   * For how long a run waits for what only this source needs, in milliseconds. Then it ends: a place on the node is for jobs that can
   * run, and the source takes it up again when it likes.
   */
  readonly patienceMs: number
  /** Asked once the image is there: the files of the job, and the part of its environment that is not secret. */
  prepare(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedFiles>
  /** The same for a job that runs on Kubernetes. */
  prepareKubernetes(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedManifest>
  /** Asked when the container is made, as the last thing before it starts, so that what lives for a minute is fresh. */
  secrets(job: Job, detail: unknown, signal: AbortSignal): Promise<SourcedSecrets>
  /** Told in the transaction that ends the job: what it records and the end are one. */
  ended(tx: Tx, job: Job, outcome: Outcome): Promise<void>
  /** Told when the container is gone, and again until it does not throw: releases what `secrets` brought up. */
  release(job: Job): Promise<void>
}

export interface SourcedSecrets {
  /** By the names of variables. */
  readonly env: ReadonlyMap<string, Secret>
  /** What must not show in the output beside these, by names that no variable has. */
  readonly masks: ReadonlyMap<string, Secret>
}

/** What a Job of Kubernetes is made from (`KubernetesSpec`). */
export interface SourcedManifest {
  readonly template: string
  readonly commit: string
  /** `NAME=value`: shows in the Job. */
  readonly env: readonly string[]
  /** Names that `secrets` will answer values for. */
  readonly secretEnv: readonly string[]
  /** By their names in `/run/writ`. */
  readonly files: Readonly<Record<string, Uint8Array>>
}

export interface SourcedFiles {
  /** A plain tar to lay over `/`, checked. */
  readonly content: () => AsyncIterable<Uint8Array>
  /** `NAME=value`: shows in the engine's description of the container. */
  readonly env: readonly string[]
  /** Whose jobs may follow each other in one network (`ContainerSpec`). */
  readonly tenant: string
}
