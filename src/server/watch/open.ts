import { WritError } from '../../protocol/errors.ts'
import { Secret } from '../../vault/secret.ts'
import { unseal } from '../jobs/sealed.ts'
import type { Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import type { Credential } from './repository/options.ts'
import { openRepository, type Repository } from './repository/repository.ts'
import type { Watching } from './watching.ts'

/** The repository of a watch, with its credentials; close it. Throws `watch_not_configured`, `order_unreadable`. */
export async function openWatched(
  { engine, settings }: Watching,
  watch: Watch,
  signal?: AbortSignal,
): Promise<Repository> {
  const { configuration } = watch
  if (!configuration) throw new WritError('watch_not_configured')
  const options = optionsOf(watch.options)
  return openRepository({
    address: configuration.git_repo_url,
    branch: configuration.git_branch_name,
    credential: await credentialOf({ engine, settings }, watch, signal),
    ca: options.git_ca || undefined,
    proxy: options.git_proxy ? new Secret(options.git_proxy) : undefined,
    knownHosts: options.ssh_known_hosts || undefined,
    cacheDirectory: settings.watchCache,
    protocols: settings.watchProtocols,
  })
}

/** The key for ssh, else user name and password: which one is asked for is said by the address. */
async function credentialOf({ engine }: Watching, watch: Watch, signal?: AbortSignal): Promise<Credential | undefined> {
  const { sealed_ssh_key, sealed_git_credential } = watch
  const isWeb = /^https?:/i.test(watch.configuration?.git_repo_url ?? '')
  const sealed = isWeb ? sealed_git_credential : sealed_ssh_key
  if (sealed === null) return undefined
  const [text = ''] = await unseal(engine, [sealed], signal)
  if (!isWeb) return { kind: 'ssh-key', key: new Secret(text) }
  const { username, password } = JSON.parse(text) as { username: string; password: string }
  return { kind: 'password', username, password: new Secret(password) }
}
