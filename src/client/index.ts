export type {
  JobAnswer,
  JobList,
  JobSpec,
  JobState,
  KillAnswer,
  ListQuery,
  QueueList,
  SubmitAnswer,
} from '../protocol/job.ts'
export type { CutEvent, EndEvent, JobEvent, OutputEvent } from '../protocol/output-event.ts'
export { offsetBehind } from '../protocol/output-event.ts'
export { openSealed } from '../protocol/sealed-output.ts'
export { Vault, type VaultOptions } from '../vault/client.ts'
export { VaultError } from '../vault/error.ts'
export { Secret } from '../vault/secret.ts'
export { Client, type ClientOptions, type SubmitOptions } from './client.ts'
export { RequestError } from './error.ts'
export { GateClient, type GateOptions } from './gate.ts'
export { packContent } from './pack.ts'
