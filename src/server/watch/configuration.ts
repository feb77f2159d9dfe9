import { WritError } from '../../protocol/errors.ts'
import type { WatchConfiguration } from '../store/watch-schema.ts'
import { type Fields, refused } from './fields.ts'
import { type Protocol, parseAddress } from './repository/address.ts'
import { watchedRef } from './repository/ref-name.ts'

const NAME = /^(?:[a-z0-9.-]+(?::\d+)?\/)?[a-z0-9._/-]+(?::[\w][\w.-]{0,127})?/
const DIGEST = /@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,128}$/
const PINNED = new RegExp(`${NAME.source}${DIGEST.source}`)
const LOOSE = new RegExp(`${NAME.source}(?:${DIGEST.source})?$`)

/**
 * Reads `configure` (gitops.md §4.1): in the order of flant_gitops, the image first. The record is replaced as a whole; what is
 * left out has its default. Throws `watch_field_invalid`.
 */
export function readConfiguration(
  fields: Fields,
  { protocols, unpinnedImage }: { protocols: readonly Protocol[]; unpinnedImage: boolean },
): WatchConfiguration {
  const docker_image = fields.text('docker_image')
  checkImage(docker_image, unpinnedImage)
  return { ...readRepository(fields, protocols), docker_image, commands: fields.list('commands') }
}

/** The five fields of `configure/git_repository` (gitops.md §16.1), which are the same ones. */
export function readRepository(
  fields: Fields,
  protocols: readonly Protocol[],
): Omit<WatchConfiguration, 'docker_image' | 'commands'> {
  const git_repo_url = fields.text('git_repo_url')
  if (git_repo_url === '') throw refused('"git_repo_url" should not be empty')
  checked('git_repo_url', () => parseAddress(git_repo_url, protocols))
  const git_branch_name = fields.text('git_branch_name', 'main') || 'main'
  checked('git_branch_name', () => watchedRef(git_branch_name))
  const initial = fields.text('initial_last_successful_commit')
  // flant_gitops took anything here, and then nothing was ever a descendant of it (gitops.md §19, 22)
  if (initial !== '' && !/^[0-9a-f]{40}$/.test(initial)) {
    throw refused('"initial_last_successful_commit" is not the full id of a commit (40 hexadecimal digits)')
  }
  return {
    git_repo_url,
    git_branch_name,
    git_poll_period: fields.seconds('git_poll_period', 300),
    required_number_of_verified_signatures_on_commit: fields.integer(
      'required_number_of_verified_signatures_on_commit',
      0,
      { min: 0, max: 1000 },
    ),
    initial_last_successful_commit: initial,
  }
}

function checkImage(image: string, unpinned: boolean): void {
  if (image.length > 512 || !LOOSE.test(image)) throw refused('"docker_image" is invalid: not an image reference')
  if (!unpinned && !PINNED.test(image)) {
    throw refused(
      '"docker_image" is invalid: a digest is required (NAME:TAG@sha256:…); the option unpinned_image allows a bare name',
    )
  }
}

/** What the check of a part says, under the name of its field. */
function checked(field: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    throw refused(`"${field}" is invalid: ${error.detail}`)
  }
}
