import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { JobState } from '../../protocol/job.ts'
import type { WatchTables } from './watch-schema.ts'

/** `bigint` columns: read as numbers (the type parser is set in database.ts; none of ours comes near 2^53). */
type BigInt = ColumnType<number, number | undefined, number>

export interface JobsTable {
  id: string
  seq: ColumnType<number, never, never>
  qname: string
  status: Generated<JobState>
  form: 'direct' | 'sealed' | 'watch'
  image: string
  tty: boolean
  submitted_at: Generated<Date>
  started_at: Date | null
  ended_at: Date | null
  submitter_entity: string
  submitter_accessor_hash: string
  authority_sha256: string | null
  sealed_spec: string | null
  sealed_token: string | null
  sealed_masks: string | null
  token_accessor: string | null
  token_renew_at: Date | null
  node: Generated<string>
  attempt: Generated<number>
  lease_until: Date | null
  stage: Generated<'preparing' | 'starting' | 'running'>
  container_id: Generated<string>
  image_digest: Generated<string>
  kill_requested: Generated<boolean>
  /** How far each stream is dealt with: a position in the engine's recovery copy (`Cursor`). */
  stdout_raw: BigInt
  stderr_raw: BigInt
  output_bytes: BigInt
  output_limit: BigInt
  head_end: ColumnType<number | null, number | null | undefined, number | null>
  tail_start: ColumnType<number | null, number | null | undefined, number | null>
  /** Some of the output may be missing: the engine was not there all the time. */
  output_gap: Generated<boolean>
  unmasked: JSONColumnType<string[], string | undefined, string>
  result_key: Generated<string>
  masked: JSONColumnType<Record<string, number>, string | undefined, string>
  return_code: Generated<number>
  error_code: Generated<string>
  error_text: Generated<string>
  released_at: Date | null
  origin: ColumnType<JobOrigin | null, string | null | undefined, never>
  /** Seconds; null: no limit of its own. */
  run_seconds: number | null
  run_until: Date | null
  queue_until: Date | null
  keep_seconds: number | null
  expires_at: Date | null
  slot: Generated<number>
  stop_code: Generated<StopCode>
  /** Null: on the container engine of the server. */
  kubernetes_namespace: ColumnType<string | null, string | null | undefined, never>
}

/** Where a job comes from that nobody submitted. */
export interface JobOrigin {
  readonly watch: string
  readonly task: string
  readonly commit: string
  readonly signers: readonly { readonly name: string; readonly fingerprint: string }[]
}

/** Why a job is being stopped. */
export type StopCode = '' | 'job_killed' | 'job_timeout' | 'job_output_limit'

export interface OutputTable {
  job_id: string
  start: number
  stream: 'stdout' | 'stderr' | 'system'
  data: Buffer
}

export interface AuditTable {
  seq: ColumnType<number, never, never>
  entry: string
  previous: ColumnType<Buffer, never, never>
  hash: ColumnType<Buffer, never, never>
  job_id: ColumnType<string | null, never, never>
}

export interface AuditHeadTable {
  seq: number
  hash: Buffer
}

export interface LeasesTable {
  id: string
  job_id: string
  path: string
  renew_at: Date | null
}

export interface QueuesTable {
  qname: string
  head: number | null
  running: number
}

export interface IdempotencyTable {
  key: string
  body: string
  job_id: string | null
  reserved_until: Date
}

export interface InstallationTable {
  id: ColumnType<string, never, never>
}

export interface NodesTable {
  id: string
  alive_until: Date
}

export interface GateUsesTable {
  id: ColumnType<number, never, never>
  task: string
  kept: Generated<boolean>
  lease_until: Date | null
  taken_at: Generated<Date>
}

export interface Tables extends WatchTables {
  installation: InstallationTable
  jobs: JobsTable
  output: OutputTable
  audit: AuditTable
  audit_head: AuditHeadTable
  leases: LeasesTable
  idempotency: IdempotencyTable
  gate_uses: GateUsesTable
  queues: QueuesTable
  nodes: NodesTable
}
