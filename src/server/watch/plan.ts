import { WritError } from '../../protocol/errors.ts'
import type { NamedRequest, Plan, PlanVault } from '../../protocol/watch-plan.ts'
import type { WatchAccess } from '../store/watch-schema.ts'
import type { Watch } from '../store/watches.ts'
import { kubernetesPlan } from './kubernetes.ts'

/** Throws `watch_not_configured`, and `watch_field_invalid` for the template of another time. */
export function planOf(
  watch: Watch,
  commit: string,
  requests: readonly NamedRequest[],
  namespaces: readonly string[],
): Plan {
  const { configuration, access } = watch
  // where there is a template it says what runs
  const pod = kubernetesPlan(watch, namespaces)
  if (!configuration || (!pod && configuration.docker_image === '')) throw new WritError('watch_not_configured')
  return {
    format: 'writ-plan-1',
    watch: watch.name,
    repository: configuration.git_repo_url,
    branch: configuration.git_branch_name,
    commit,
    image: pod?.image ?? configuration.docker_image,
    commands: pod ? [] : configuration.commands,
    requests,
    vault: access ? planVaultOf(access) : null,
    ...(pod ? { kubernetes: pod.kubernetes } : {}),
  }
}

/** All of an access but its SecretID, and how often that is replaced. */
export function planVaultOf(access: WatchAccess): PlanVault {
  return {
    address: access.vault_addr,
    tls_server_name: access.vault_tls_server_name,
    cacert: access.vault_cacert,
    approle_mount_point: access.approle_mount_point,
    role: access.role_name,
    role_id: access.role_id,
  }
}
