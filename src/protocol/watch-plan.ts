import { createHash } from 'node:crypto'

/** A Vault request that is made for each run (gitops.md §4.3, §9), as it is read back. */
export interface NamedRequest {
  readonly name: string
  readonly path: string
  readonly method: string
  readonly options: Record<string, unknown>
  /** Seconds. */
  readonly wrap_ttl: number
}

/** The Vault that requests are made at, as whom, and how it is known to be that one: what a run is told of it, too. */
export interface PlanVault {
  readonly address: string
  readonly tls_server_name: string
  /** PEM; empty: whom this server trusts anyway. */
  readonly cacert: string
  /** Below `auth/`. */
  readonly approle_mount_point: string
  readonly role: string
  readonly role_id: string
}

/** A Vault that a run gets a token of its own for (gitops.md §16.1). */
export interface PlanLogin {
  readonly name: string
  readonly url: string
  /** PEM; empty: whom this server trusts anyway. */
  readonly vault_cacert: string
}

/** Where and from what the Job of Kubernetes is made that a run is. */
export interface PlanKubernetes {
  readonly namespace: string
  /** YAML. */
  readonly template: string
  readonly vaults: readonly PlanLogin[]
}

/** What a commit would do. Everything that decides about it is in here, so that who signs its digest has signed all of it. */
export interface Plan {
  readonly format: 'writ-plan-1'
  readonly watch: string
  readonly repository: string
  readonly branch: string
  readonly commit: string
  /** With Kubernetes that of the template's container. */
  readonly image: string
  /** None with Kubernetes: the template says what runs. */
  readonly commands: readonly string[]
  readonly requests: readonly NamedRequest[]
  /** Null without access. */
  readonly vault: PlanVault | null
  /** Absent: it runs on the container engine of the server. */
  readonly kubernetes?: PlanKubernetes
}

/** Hex SHA-256 of the plan as JSON with sorted keys and without blanks: the same on every node, at every desk and in every year. */
export function digestOf(plan: Plan): string {
  return createHash('sha256').update(canonical(plan)).digest('hex')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}
