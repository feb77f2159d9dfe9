import type { Readable } from 'node:stream'
import { WritError } from '../../../protocol/errors.ts'
import type { Secret } from '../../../vault/secret.ts'
import type { Evidence } from '../signatures/evidence.ts'
import type { AcceptedCommit } from '../signatures/quorum.ts'
import { type Protocol, parseAddress } from './address.ts'
import { watchedRef } from './ref-name.ts'

/** 40 hexadecimal digits, small letters. */
export type ObjectId = string

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
  /** Bare repositories are kept below it, a folder per address. Nothing in it is secret or worth a backup. */
  readonly cacheDirectory: string
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
  /** For a whole fetch. Default 10 min. */
  readonly fetchMs: number
  /** Of the cache of one repository on disk. Default 2 GiB. */
  readonly repositoryBytes: number
  /** Of one file, commit or tree. Default 100 MiB. */
  readonly objectBytes: number
  /** Of all files of a commit. Default 500 MiB. */
  readonly treeBytes: number
  /** Files, folders and links of a commit. Default 50,000. */
  readonly treeEntries: number
  /** Commits between two tips that are listed one by one. Default 10,000. */
  readonly commits: number
}

/** What the server shows at the moment. Two equal tips mean: nothing to do. */
export interface Tip {
  /** What the branch names: a commit, or for a watched annotated tag the tag. */
  readonly object: ObjectId
  /** What `refs/tags/latest-signature` names; undefined when it is not there. */
  readonly signatures: ObjectId | undefined
}

export interface Person {
  readonly name: string
  readonly email: string
  readonly at: Date
}

export interface Commit {
  readonly id: ObjectId
  readonly tree: ObjectId
  readonly parents: readonly ObjectId[]
  readonly author: Person
  readonly committer: Person
  /** Decoded as UTF-8, what is not is shown as U+FFFD. Somebody else's text: escape it where it is shown. */
  readonly message: string
}

export interface ChangedFile {
  readonly path: string
  readonly change: 'added' | 'modified' | 'deleted' | 'type changed'
}

/**
 * A remote repository and its copy on this machine. All ids that go in are checked to be ids, all objects that come out
 * have been hashed here and are what their id says. Every method may throw, besides what it names, `repository_damaged`;
 * those that ask the server throw `repository_unreachable`, `repository_refused`, `repository_host_unknown`,
 * `repository_unsupported`. No message holds a credential.
 */
export interface Repository {
  /** Asks the server which commits the two refs name; cheap, nothing is fetched. `repository_branch_missing`. */
  tip(signal?: AbortSignal): Promise<Tip>

  /**
   * Fetches what `tip` showed, and answers what came, which may be newer. `repository_branch_missing`,
   * `repository_too_large`. Fetches of one address wait for each other.
   */
  fetch(tip: Tip, signal?: AbortSignal): Promise<Tip>

  /** The commit that an object of a tip stands for: itself, or what the watched tag names. */
  commitOf(object: ObjectId): Promise<ObjectId>

  /** Is `from` an ancestor of `to`, or the same? Without replacements and grafts. `commit_unknown` if either is missing. */
  isFastForward(from: ObjectId, to: ObjectId): Promise<boolean>

  /**
   * The states of the branch after `from` up to and including `to`, oldest first: the first-parent chain of `to`, as far
   * as it descends from `from`. So commits of a merged side branch are not listed, and each is a fast-forward of the one
   * before. `repository_too_large` above `limits.commits`.
   */
  commitsBetween(from: ObjectId, to: ObjectId): Promise<ObjectId[]>

  /** Sorted by path; all files as added without `from`. At most `limits.treeEntries`, `tree_too_large` above. */
  changedFiles(from: ObjectId | undefined, to: ObjectId): Promise<ChangedFile[]>

  /**
   * The files of an accepted commit as a tar, relative names, to be unpacked at /git: plain files (644 or 755), folders,
   * links that stay inside; a submodule is an empty folder, an LFS file its pointer. Attributes of the repository
   * (export-ignore, export-subst, filters) change nothing: what was signed is what is there. `tree_unsafe`,
   * `tree_too_large`. The stream fails, and must not be used, if an object at its end turns out damaged.
   */
  tarOf(commit: AcceptedCommit): Readable

  /** `commit_unknown` if it is not in the local copy. */
  readCommit(id: ObjectId): Promise<Commit>

  /**
   * What `checkQuorum` judges: the object and the notes for it in what was fetched last.
   * `commit_unknown`; `signatures_unreadable` if the notes are there and cannot be read.
   */
  evidence(object: ObjectId): Promise<Evidence>

  /**
   * Evidence for a text instead of an object: the note under that name, whose lines sign exactly that text. For the
   * digest of a plan (64 hexadecimal digits).
   */
  evidenceForDigest(digest: string): Promise<Evidence>

  /** Ends running git processes. The cache on disk stays. */
  close(): Promise<void>
}

/** Throws `repository_address_invalid` or `repository_branch_invalid`; does not ask the server yet. */
export function openRepository(options: RepositoryOptions): Repository {
  parseAddress(options.address, options.protocols)
  watchedRef(options.branch)
  throw new WritError('repository_unsupported', 'not built yet')
}
