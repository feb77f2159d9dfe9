import type { Readable } from 'node:stream'
import { WritError } from '../../../protocol/errors.ts'
import type { Evidence } from '../signatures/evidence.ts'
import { AcceptedCommit } from '../signatures/quorum.ts'
import { parseAddress } from './address.ts'
import { Cache, removeUnused } from './cache.ts'
import { type Files, type FilesOptions, filesOf, largeFilesOf } from './files.ts'
import { type ChangedFile, History } from './history.ts'
import { Lfs } from './lfs/lfs.ts'
import { Notes } from './notes.ts'
import { checkedId, type ObjectId } from './object-id.ts'
import { type GitObject, ObjectReader } from './object-reader.ts'
import { type Commit, parseCommit, parseTag } from './objects.ts'
import { DEFAULT_LIMITS, type RepositoryOptions } from './options.ts'
import { watchedRef } from './ref-name.ts'
import { Remote, type Tip } from './remote.ts'
import { sourceOf } from './source.ts'
import { type Submodule, Submodules } from './submodules/submodules.ts'
import { type TarOptions, treeTar } from './tree-tar.ts'

/**
 * A remote repository and its copy on this machine. All ids that go in are checked to be ids, all objects that come out
 * have been hashed here and are what their id says. Every method may throw, besides what it names, `repository_damaged`;
 * those that ask the server throw `repository_unreachable`, `repository_refused`, `repository_host_unknown`,
 * `repository_unsupported`. No message holds a credential.
 */
export interface Repository {
  /** Asks the server which objects the two refs name; cheap, nothing is fetched. `repository_branch_missing`. */
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

  /** Sorted by path; without `from`, all files as added. At most `limits.treeEntries`, `tree_too_large` above. */
  changedFiles(from: ObjectId | undefined, to: ObjectId): Promise<ChangedFile[]>

  /**
   * The files of an accepted commit: plain files (644 or 755), folders, links that stay inside; a submodule is refused, an empty folder
   * or, fetched, the files of the very commit that the tree names; an LFS file is its pointer or, fetched, the
   * content that it names. Attributes of the repository
   * (export-ignore, export-subst, filters) change nothing: what was signed is what is there. `tree_unsafe`, `tree_too_large`,
   * `tree_submodules`, `submodule_*`, `lfs_*`, and what a fetch throws.
   */
  filesOf(accepted: AcceptedCommit, options?: FilesOptions, signal?: AbortSignal): Promise<Files>

  /** The submodules of a commit, whoever has signed it: nothing is fetched for it, and what is in them is not known. `submodule_*`. */
  submodulesOf(commit: ObjectId): Promise<Submodule[]>

  /** How many files of a commit LFS has, and how large they are: the same, also without submodules. `lfs_pointer_invalid`, `tree_too_large`. */
  largeFilesOf(commit: ObjectId): Promise<{ files: number; bytes: number }>

  /**
   * As a tar, relative names, to be unpacked at /git. The stream fails, and must not be used, if an object at its end turns out
   * damaged; `tree_too_large`.
   */
  tarOf(files: Files, options?: TarOptions): Readable

  /** `commit_unknown` if it is not in the local copy. */
  readCommit(id: ObjectId): Promise<Commit>

  /**
   * What `checkQuorum` judges: the object and the notes for it in what was fetched last. `commit_unknown`;
   * `signatures_unreadable` if the notes are there and cannot be read.
   */
  evidence(object: ObjectId): Promise<Evidence>

  /**
   * Evidence for a text instead of an object: the note under that name, whose lines sign exactly that text. For the
   * digest of a plan (64 hexadecimal digits).
   */
  evidenceForDigest(digest: string): Promise<Evidence>

  /** Ends running git processes. The cache on disk stays, and the repository can be used again. */
  close(): void
}

/** Removes the copies of repositories that are none of these; answers how many. */
export async function removeUnusedCopies(
  cacheDirectory: string,
  inUse: () => Promise<readonly Omit<RepositoryOptions, 'cacheDirectory'>[]>,
): Promise<number> {
  return await removeUnused(cacheDirectory, async () => {
    return (await inUse()).flatMap(options => {
      try {
        return [sourceOf(parseAddress(options.address, options.protocols).url, options)]
      } catch {
        // refused, so nothing was ever fetched from it
        return []
      }
    })
  })
}

/** Throws `repository_address_invalid` or `repository_branch_invalid`; does not ask the server yet. */
export function openRepository(options: RepositoryOptions): Repository {
  const address = parseAddress(options.address, options.protocols)
  const ref = watchedRef(options.branch)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const cache = new Cache(options.cacheDirectory, sourceOf(address.url, options))
  const remote = new Remote(address, ref, options, limits, cache)
  const reader = new ObjectReader(cache.directory, limits.objectBytes)
  cache.onRemoved = () => reader.close()
  const origin = { reader, address }
  const lfs = new Lfs(address, options, limits)
  const submodules = new Submodules(address, options, limits)
  const notes = new Notes(reader)
  const history = new History(cache, reader, limits)

  let fetched: Tip | undefined

  async function read(id: ObjectId): Promise<GitObject> {
    await cache.ensure()
    const object = await reader.read(checkedId(id))
    if (object?.type !== 'commit' && object?.type !== 'tag') throw new WritError('commit_unknown', id)
    return object
  }

  async function commitOf(object: GitObject): Promise<GitObject> {
    if (object.type === 'commit') return object
    const tag = parseTag(object)
    // A signed v1.0, published once more as production, is still a v1.0.
    if (ref !== `refs/tags/${tag.name}`) throw new WritError('repository_damaged', 'a tag under another name')
    if (tag.type !== 'commit') throw new WritError('repository_damaged', 'a tag of something else than a commit')
    return await reader.readAs('commit', tag.object)
  }

  async function note(subject: string): Promise<Buffer | undefined> {
    fetched ??= await remote.fetched()
    const { signatures } = fetched
    return signatures === undefined ? undefined : await notes.find(signatures, subject)
  }

  return {
    tip: signal => remote.tip(signal),
    async fetch(tip, signal) {
      fetched = undefined
      fetched = await remote.fetch(tip, signal)
      return fetched
    },
    commitOf: async object => (await commitOf(await read(object))).id,
    isFastForward: (from, to) => history.isFastForward(from, to),
    commitsBetween: (from, to) => history.commitsBetween(from, to),
    changedFiles: (from, to) => history.changedFiles(from, to),
    filesOf: async (accepted, filesOptions, signal) =>
      await filesOf({ origin, submodules, lfs, limits }, AcceptedCommit.commitOf(accepted), filesOptions, signal),
    largeFilesOf: async commit => await largeFilesOf(origin, checkedId(commit), limits),
    submodulesOf: async commit => await submodules.list(origin, checkedId(commit)),
    tarOf: (files, tarOptions) => treeTar(files, limits, tarOptions),
    async readCommit(id) {
      const object = await read(id)
      if (object.type !== 'commit') throw new WritError('commit_unknown', id)
      return parseCommit(object)
    },
    async evidence(id) {
      const object = await read(id)
      const commit = await commitOf(object)
      parseCommit(commit)
      const { type, bytes } = object
      return { subject: id, commit: commit.id, object: { type: type as 'commit' | 'tag', bytes }, note: await note(id) }
    },
    async evidenceForDigest(digest) {
      if (!/^[0-9a-f]{64}$/.test(digest)) throw new WritError('signatures_unreadable', 'not a digest')
      return { subject: digest, commit: undefined, object: undefined, note: await note(digest) }
    },
    close() {
      reader.close()
      submodules.close()
    },
  }
}
