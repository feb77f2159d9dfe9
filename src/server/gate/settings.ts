import type { PolicySource } from './policies/load.ts'

export interface GateSettings {
  readonly policies: PolicySource
  /** Older tasks are refused (`TASK_LIFE`). */
  readonly taskLifeMs: number
  /** By how much a scheduler's clock may be ahead of ours, or behind it. */
  readonly clockSkewMs: number
  /** How long an answered token may wait to be opened. */
  readonly wrapTtlSeconds: number
  /** Of the AppRoles that tokens are issued by. */
  readonly approleMount: string
  /** Refuses who does not call from an address that the scheduler knows of the task. */
  readonly hostCheck: boolean
  /** Chooses policies by the image of a task instead of its name. */
  readonly useImageName: boolean
}
