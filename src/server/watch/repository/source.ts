import type { RepositoryOptions } from './options.ts'

/**
 * Who is believed to be at an address, besides the address. The attack: somebody who sets authority and proxy of one watch lets a
 * server of their own say that the branch is at a commit which another watch has fetched; git finds it in a copy that both share,
 * and what only that one may read is in the files of this one.
 */
export function sourceOf(
  url: string,
  { ca, proxy, knownHosts }: Pick<RepositoryOptions, 'ca' | 'proxy' | 'knownHosts'>,
): string {
  return JSON.stringify([url, ca ?? '', proxy?.reveal() ?? '', knownHosts ?? ''])
}
