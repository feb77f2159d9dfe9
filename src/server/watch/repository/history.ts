import { WritError } from '../../../protocol/errors.ts'
import type { Cache } from './cache.ts'
import { type GitResult, git } from './git.ts'
import { isObjectId, type ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import type { Limits } from './options.ts'

export interface ChangedFile {
  /** Decoded as UTF-8. Somebody else's text: escape it where it is shown. */
  readonly path: string
  readonly change: 'added' | 'modified' | 'deleted' | 'type changed'
}

const CHANGES: Readonly<Record<string, ChangedFile['change']>> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  T: 'type changed',
}
const TIMEOUT_MS = 60_000
/** git knows it without it being there. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

/** Questions about commits of the local copy. */
export class History {
  readonly #cache: Cache
  readonly #reader: ObjectReader
  readonly #limits: Limits

  constructor(cache: Cache, reader: ObjectReader, limits: Limits) {
    this.#cache = cache
    this.#reader = reader
    this.#limits = limits
  }

  async isFastForward(from: ObjectId, to: ObjectId): Promise<boolean> {
    await this.#checkCommits(from, to)
    if (from === to) return true
    const { code } = await this.#git(['merge-base', '--is-ancestor', from, to], 1024)
    if (code === 0) return true
    // 1 means no; anything else, that git could not find out.
    if (code === 1) return false
    throw new WritError('repository_damaged', 'the history cannot be read')
  }

  async commitsBetween(from: ObjectId, to: ObjectId): Promise<ObjectId[]> {
    await this.#checkCommits(from, to)
    const chain = await this.#list(['--first-parent', `^${from}`, to])
    const descend = new Set(await this.#list(['--ancestry-path', `^${from}`, to]))
    return chain.filter(id => descend.has(id)).reverse()
  }

  async changedFiles(from: ObjectId | undefined, to: ObjectId): Promise<ChangedFile[]> {
    await this.#checkCommits(...(from === undefined ? [to] : [from, to]))
    const sides = [from ?? EMPTY_TREE, to]
    const options = ['-r', '-z', '--no-commit-id', '--name-status', '--no-renames', '--no-ext-diff', '--no-textconv']
    const { code, stdout } = await this.#git(['diff-tree', ...options, ...sides], this.#limits.treeEntries * 200)
    if (code !== 0) throw new WritError('repository_damaged', 'the trees cannot be compared')
    const fields = stdout.toString('utf8').split('\0')
    const files: ChangedFile[] = []
    for (let at = 0; at + 1 < fields.length; at += 2) {
      files.push({ change: CHANGES[fields[at] as string] ?? 'modified', path: fields[at + 1] as string })
    }
    if (files.length > this.#limits.treeEntries) {
      throw new WritError('tree_too_large', `more than ${this.#limits.treeEntries} changed files`)
    }
    return files
  }

  async #list(args: readonly string[]): Promise<ObjectId[]> {
    const most = this.#limits.commits
    const { code, stdout } = await this.#git(['rev-list', `--max-count=${most + 1}`, ...args], (most + 2) * 41)
    const ids = stdout.toString('latin1').split('\n').filter(Boolean)
    if (code !== 0 || !ids.every(isObjectId)) throw new WritError('repository_damaged', 'the history cannot be read')
    if (ids.length > most) throw new WritError('repository_too_large', `more than ${most} commits`)
    return ids
  }

  async #checkCommits(...ids: readonly ObjectId[]): Promise<void> {
    await this.#cache.ensure()
    for (const id of ids) {
      if ((await this.#reader.read(id))?.type !== 'commit') throw new WritError('commit_unknown', id)
    }
  }

  async #git(args: readonly string[], maxBytes: number): Promise<GitResult> {
    return await git({ directory: this.#cache.directory, args, timeoutMs: TIMEOUT_MS, maxBytes })
  }
}
