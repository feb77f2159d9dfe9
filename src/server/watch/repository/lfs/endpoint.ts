import { WritError } from '../../../../protocol/errors.ts'
import type { Address } from '../address.ts'
import { basicOf } from '../connection.ts'
import type { Credential } from '../options.ts'

/** Where the batch API of a repository is, and what it is asked with. */
export interface Endpoint {
  /** Without a slash at its end. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** That the watch's credential may be shown to, and nobody else: `https://host[:port]`. */
  readonly credentialFor: string | undefined
}

/**
 * As git-lfs finds it for a repository of which nothing else is configured (its docs/api/server-discovery.md). `.lfsconfig`, which could
 * name any other, is text of a commit and not believed. Throws `lfs_unsupported`.
 */
export function endpointOf(address: Address, credential: Credential | undefined): Endpoint {
  if (address.protocol !== 'https' && address.protocol !== 'http')
    throw new WritError('lfs_unsupported', `the repository is read by ${address.protocol}`)
  const path = address.url.replace(/\/+$/, '')
  const url = `${path}${path.endsWith('.git') ? '' : '.git'}/info/lfs`
  if (credential?.kind !== 'password') return { url, headers: {}, credentialFor: undefined }
  const headers = { authorization: `Basic ${basicOf(credential)}` }
  return { url, headers, credentialFor: new URL(url).origin }
}
