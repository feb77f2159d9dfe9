import { join } from 'node:path'
import { WritError } from '../../protocol/errors.ts'
import { Secret } from '../../vault/secret.ts'
import { unseal } from '../jobs/sealed.ts'
import { listWatches, type Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import { tidyOwn } from './own-directories.ts'
import type { Credential, RepositoryOptions } from './repository/options.ts'
import { openRepository, type Repository, removeUnusedCopies } from './repository/repository.ts'
import type { Watching } from './watching.ts'

/** The repository of a watch, with its credentials; close it. Throws `watch_not_configured`, `order_unreadable`. */
export async function openWatched(watching: Watching, watch: Watch, signal?: AbortSignal): Promise<Repository> {
  const where = whereOf(watching, watch)
  if (!where) throw new WritError('watch_not_configured')
  const credential = await credentialOf(watching, watch, signal)
  return openRepository({
    ...where,
    credential,
    cacheDirectory: cacheOf(watching),
    ownDirectory: join(ownOf(watching), watch.id),
  })
}

/** Removes what is left of repositories that nobody watches any more, and of submodules that no commit had for long. */
export async function tidyCopies(watching: Watching): Promise<number> {
  const { db } = watching.engine
  const copies = await removeUnusedCopies(cacheOf(watching), async () => {
    return (await listWatches(db)).map(watch => whereOf(watching, watch)).filter(where => where !== null)
  })
  return copies + (await tidyOwn(ownOf(watching), async () => (await listWatches(db)).map(watch => watch.id)))
}

/** What each watch keeps for itself, a folder for each. */
function ownOf(watching: Watching): string {
  return join(cacheOf(watching), 'own')
}

/** A folder of its own for each database: what others on this machine watch is theirs to keep and to remove. */
function cacheOf({ engine, settings }: Watching): string {
  return join(settings.watchCache, engine.installation)
}

function whereOf(
  { settings }: Watching,
  watch: Watch,
): Omit<RepositoryOptions, 'credential' | 'cacheDirectory' | 'ownDirectory'> | null {
  const { configuration } = watch
  if (!configuration) return null
  const options = optionsOf(watch.options)
  return {
    address: configuration.git_repo_url,
    branch: configuration.git_branch_name,
    ca: options.git_ca || undefined,
    proxy: options.git_proxy ? new Secret(options.git_proxy) : undefined,
    knownHosts: options.ssh_known_hosts || undefined,
    protocols: settings.watchProtocols,
    submoduleHosts: options.submodule_hosts,
  }
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
