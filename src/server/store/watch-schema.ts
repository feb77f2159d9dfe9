import type { ColumnType, Generated, JSONColumnType } from 'kysely'

/** JSON that may be absent: read as it is, written as text. */
type Json<T> = ColumnType<T | null, string | null | undefined, string | null>

/** `configure` (gitops.md §4.1), under its own field names. */
export interface WatchConfiguration {
  readonly git_repo_url: string
  readonly git_branch_name: string
  /** Seconds. */
  readonly git_poll_period: number
  readonly required_number_of_verified_signatures_on_commit: number
  readonly initial_last_successful_commit: string
  /** Empty while only the fields of the repository are set (gitops.md §16.1). */
  readonly docker_image: string
  readonly commands: readonly string[]
}

/** What flant_gitops does not have. Absent fields have their defaults (`watch/options.ts`). */
export interface WatchOptions {
  readonly mode: 'tip' | 'every'
  readonly max_attempts: number
  readonly require_signed_plan: boolean
  readonly git_ca: string
  readonly git_proxy: string
  readonly ssh_known_hosts: string
  /** What becomes of a commit with submodules. */
  readonly submodules: 'refuse' | 'empty' | 'fetch'
  /** Where they may be besides the watch's own server: `https://host[:port]`, asked without any credential. */
  readonly submodule_hosts: readonly string[]
  /** What files of git-lfs are. */
  readonly lfs: 'pointers' | 'fetch'
  /** Lets `docker_image` be a name without a digest. */
  readonly unpinned_image: boolean
}

/** The AppRole that the requests are made with, without its SecretID (gitops.md §4.4). */
export interface WatchAccess {
  readonly vault_addr: string
  readonly vault_tls_server_name: string
  readonly vault_cacert: string
  readonly role_name: string
  readonly role_id: string
  /** Seconds; the clock of the rotation. */
  readonly secret_id_ttl: number
  /** Below `auth/`. */
  readonly approle_mount_point: string
}

export interface WatchTaskConfiguration {
  /** Seconds. */
  readonly task_timeout: number
  readonly task_history_limit: number
}

export type WatchState = 'watching' | 'refused' | 'stopped' | 'given_up'

export interface WatchesTable {
  name: string
  spelling: string
  id: Generated<string>
  description: Generated<string>
  created_at: Generated<Date>
  configuration: Json<WatchConfiguration>
  options: JSONColumnType<Partial<WatchOptions>, string | undefined, string>
  task_configuration: Json<WatchTaskConfiguration>
  vaults: Json<readonly { name: string; url: string; vault_cacert: string }[]>
  kubernetes_job: string | null
  /** Of the template; null with one that is older than the check of who may use which. */
  kubernetes_namespace: string | null
  sealed_git_credential: string | null
  sealed_ssh_key: string | null
  sealed_webhook_secret: string | null
  access: Json<WatchAccess>
  sealed_secret_id: string | null
  sealed_old_secret_id: string | null
  secret_id_renewed_at: Date | null
  maintained_until: Date | null
  state: Generated<WatchState>
  reason_code: Generated<string>
  reason: Generated<string>
  accepted_commit: Generated<string>
  waived_commit: Generated<string>
  failed_commit: Generated<string>
  seen: Generated<string>
  tip: Generated<string>
  polled_at: Date | null
  next_poll_at: Generated<Date>
  node: Generated<string>
  lease_until: Date | null
}

export interface WatchRequestsTable {
  watch: string
  name: string
  method: string
  path: string
  sealed_options: string | null
  wrap_ttl: number
}

export interface WatchKeysTable {
  watch: string
  name: string
  public_key: string
  added_at: Generated<Date>
}

export interface WatchFailuresTable {
  watch: string
  commit: string
  failures: number
  pauses: number
  retry_at: Date | null
  reason_code: string
  reason: string
  ended_at: Generated<Date>
}

/** Who signed a commit, and with which key. */
export interface WatchSigner {
  readonly name: string
  readonly fingerprint: string
}

export interface WatchTasksTable {
  id: Generated<string>
  seq: ColumnType<number, never, never>
  watch: string
  commit: string
  object: Generated<string>
  attempt: number
  job_id: string | null
  state: 'started' | 'done' | 'failed' | 'refused'
  signers: JSONColumnType<readonly WatchSigner[], string | undefined, string>
  plan_digest: Generated<string>
  reason_code: Generated<string>
  reason: Generated<string>
  created_at: Generated<Date>
  ended_at: Date | null
  sealed_vault_token: string | null
  vault_token_renew_at: Date | null
  effects_at: Date | null
}

export interface WatchTables {
  watches: WatchesTable
  watch_requests: WatchRequestsTable
  watch_keys: WatchKeysTable
  watch_failures: WatchFailuresTable
  watch_tasks: WatchTasksTable
}
