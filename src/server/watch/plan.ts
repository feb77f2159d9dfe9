import { createHash } from 'node:crypto'
import { WritError } from '../../protocol/errors.ts'
import type { Watch } from '../store/watches.ts'
import type { NamedRequest } from './requests.ts'

/** What a commit would do. Everything that decides about it is in here, so that who signs its digest has signed all of it. */
export interface Plan {
  readonly format: 'writ-plan-1'
  readonly watch: string
  readonly repository: string
  readonly branch: string
  readonly commit: string
  readonly image: string
  readonly commands: readonly string[]
  readonly requests: readonly NamedRequest[]
  /** Where the requests are made and as whom; empty without access. */
  readonly vault: { readonly address: string; readonly role: string } | null
}

/** Throws `watch_not_configured`. */
export function planOf(watch: Watch, commit: string, requests: readonly NamedRequest[]): Plan {
  const { configuration, access } = watch
  if (!configuration || configuration.docker_image === '') throw new WritError('watch_not_configured')
  return {
    format: 'writ-plan-1',
    watch: watch.name,
    repository: configuration.git_repo_url,
    branch: configuration.git_branch_name,
    commit,
    image: configuration.docker_image,
    commands: configuration.commands,
    requests,
    vault: access ? { address: access.vault_addr, role: access.role_name } : null,
  }
}

/** Hex SHA-256 of the plan as JSON with sorted keys and without blanks: the same on every node and in every year. */
export function digestOf(plan: Plan): string {
  return createHash('sha256').update(canonical(plan)).digest('hex')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}
