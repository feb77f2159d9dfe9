import type { Secret } from '../../../vault/secret.ts'
import type { Protocol } from './address.ts'

export interface RepositoryOptions {
  /** As configured; checked by `parseAddress`. */
  readonly address: string
  /** As configured; checked by `watchedRef`. */
  readonly branch: string
  readonly credential?: Credential | undefined
  /** PEM. The only authorities that are trusted for https, if given. */
  readonly ca?: string | undefined
  /** `http://[user:password@]host:port`, for https and http. May hold a password, so it is a secret. */
  readonly proxy?: Secret | undefined
  /** Lines of a known_hosts file; without them no ssh server is trusted. */
  readonly knownHosts?: string | undefined
  readonly limits?: Partial<Limits> | undefined
  /** Bare repositories are kept below it, a folder per address and whom to believe there. Nothing in it is secret or worth a backup. */
  readonly cacheDirectory: string
  /**
   * Copies of submodules and contents of LFS are kept below it. Of one watch alone: what was fetched with its credential is found there without asking
   * anybody again, and is nobody else's. Without it nothing is fetched besides the repository.
   */
  readonly ownDirectory?: string | undefined
  /** Where submodules may be besides the server of the address, as `https://host[:port]`. Default: nowhere. */
  readonly submoduleHosts?: readonly string[] | undefined
  /** Default: https and ssh. http and file are for tests and for repositories on this machine. */
  readonly protocols?: readonly Protocol[] | undefined
}

export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: Secret }
  /** A private key as OpenSSH writes it, without a passphrase. */
  | { readonly kind: 'ssh-key'; readonly key: Secret }

export interface Limits {
  /** For looking at the refs. Default 20 s. */
  readonly lookMs: number
  /** For a whole fetch, and for those of all submodules together. Default 10 min. */
  readonly fetchMs: number
  /** Of the cache of one repository on disk, and of those of all submodules together. Default 2 GiB. */
  readonly repositoryBytes: number
  /** Of one file, commit or tree. Default 100 MiB. */
  readonly objectBytes: number
  /** Of all files of a commit, those of submodules among them. Default 500 MiB. */
  readonly treeBytes: number
  /** Files, folders and links of a commit. Default 50,000. */
  readonly treeEntries: number
  /** Commits between two tips that are listed one by one. Default 10,000. */
  readonly commits: number
  /** Of a commit, those in each other counted. Default 100. */
  readonly submodules: number
  /** In each other. Default 8. */
  readonly submoduleDepth: number
  /** Contents of LFS of a commit and its submodules. Default 1,000. */
  readonly lfsObjects: number
}

export const DEFAULT_LIMITS: Limits = {
  lookMs: 20_000,
  fetchMs: 10 * 60_000,
  repositoryBytes: 2 * 1024 ** 3,
  objectBytes: 100 * 1024 ** 2,
  treeBytes: 500 * 1024 ** 2,
  treeEntries: 50_000,
  commits: 10_000,
  submodules: 100,
  submoduleDepth: 8,
  lfsObjects: 1_000,
}
