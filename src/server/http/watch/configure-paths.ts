import { changeWatch } from '../../watch/change.ts'
import { readConfiguration, readRepository } from '../../watch/configuration.ts'
import { newStart } from '../../watch/new-start.ts'
import { optionsOf, readOptions } from '../../watch/options.ts'
import type { Path } from './path.ts'

const REPOSITORY_FIELDS = {
  git_repo_url: 'URL of the repository: https, ssh or a path. Required.',
  git_branch_name: 'Branch whose newest commit is watched; main by default.',
  git_poll_period: 'Shortest time between two looks; 5m by default.',
  required_number_of_verified_signatures_on_commit: 'How many trusted people must have signed a commit; 0 by default.',
  initial_last_successful_commit: 'Commit that counts as done while none is: the first one to run is a later one.',
}

/** `configure` (gitops.md §4.1), and what goes beyond it. */
export const CONFIGURE: Path = {
  pattern: 'configure',
  synopsis: 'Main configuration: which branch is watched, and what runs for its commits.',
  description:
    'Whenever a new commit appears on the branch and enough trusted people have signed it, the commands run in a container of ' +
    'the image. Nothing is watched while this record is missing. A write replaces the whole record.',
  fields: {
    ...REPOSITORY_FIELDS,
    docker_image: 'Image that the commands run in, with its digest. Required.',
    commands: 'Commands to run one after another, until one fails: comma-separated, or a JSON list.',
  },
  read: async ({ watch }) => (watch.configuration ? { data: { ...watch.configuration } } : null),
  write: async ({ engine, settings, caller, watch, fields }) => {
    const unpinnedImage = optionsOf(watch.options).unpinned_image
    const configuration = readConfiguration(fields, { protocols: settings.watchProtocols, unpinnedImage })
    await changeWatch(engine, caller, watch, 'configure', { ...configuration }, async (tx, before) => {
      return { configuration: JSON.stringify(configuration), ...(await newStart(tx, before)) }
    })
    return null
  },
  remove: async ({ engine, caller, watch }) => {
    await changeWatch(engine, caller, watch, 'configure', { removed: true }, async () => ({ configuration: null }))
    return null
  },
}

/** As later versions of flant_gitops have it (gitops.md §16.1): the same record, without what runs. */
export const REPOSITORY: Path = {
  pattern: 'configure/git_repository',
  synopsis: 'The part of the main configuration that says which branch is watched.',
  description: 'Image and commands stay as they are; while there are none, nothing runs.',
  fields: REPOSITORY_FIELDS,
  read: async ({ watch }) => {
    if (!watch.configuration) return null
    const { docker_image: _, commands: __, ...repository } = watch.configuration
    return { data: repository }
  },
  write: async ({ engine, settings, caller, watch, fields }) => {
    const repository = readRepository(fields, settings.watchProtocols)
    await changeWatch(engine, caller, watch, 'configure/git_repository', { ...repository }, async (tx, before) => {
      const { docker_image = '', commands = [] } = before.configuration ?? {}
      const configuration = JSON.stringify({ ...repository, docker_image, commands })
      return { configuration, ...(await newStart(tx, before)) }
    })
    return null
  },
  remove: CONFIGURE.remove as NonNullable<Path['remove']>,
}

export const OPTIONS: Path = {
  pattern: 'configure/options',
  synopsis: 'What flant_gitops does not have.',
  description: 'Fields that are left out keep their values.',
  fields: {
    mode: 'tip: only the newest commit runs. every: each commit of the first-parent line, in order; each needs its signatures.',
    max_attempts: 'How often a commit that fails is run before it is given up; 3 by default.',
    require_signed_plan:
      'The signatures must be over the digest of the plan (writ watch plan) and not over the commit.',
    git_ca: 'PEM of the authorities that sign the certificate of the repository, instead of those of the system.',
    git_proxy: 'http, https or socks5 proxy on the way to the repository.',
    ssh_known_hosts: 'Lines of a known_hosts file; without one that fits, an ssh repository is not read.',
    submodules:
      'refuse (default): a commit with submodules does not run. empty: they are empty folders. fetch: their files are fetched, of the ' +
      'very commits that the signed one names.',
    submodule_hosts:
      'Where submodules may be besides the server of the repository: host[:port], comma-separated. They are asked without any credential.',
    lfs: 'pointers (default): files of git-lfs are their pointers. fetch: they are the contents that the signed pointers name.',
    unpinned_image:
      'Let docker_image be a name without a digest: what runs is then what the registry has at that time.',
  },
  read: async ({ watch }) => ({ data: { ...optionsOf(watch.options) } }),
  write: async ({ engine, caller, watch, fields }) => {
    const options = readOptions(fields, optionsOf(watch.options))
    const { git_ca: _, ssh_known_hosts: __, ...detail } = options
    await changeWatch(engine, caller, watch, 'configure/options', detail, async (tx, before) => {
      return { options: JSON.stringify(options), ...(await newStart(tx, before)) }
    })
    return null
  },
}
