import { WritError } from '../../../protocol/errors.ts'
import { checkLinks } from './links.ts'
import type { ObjectId } from './object-id.ts'
import { parseCommit, printable } from './objects.ts'
import type { Limits } from './options.ts'
import type { Submodules } from './submodules/submodules.ts'
import { type Origin, type PathEntry, walkTree } from './tree.ts'

export interface FilesOptions {
  /** Default: a commit that has any is refused, rather than run without a part of it. */
  readonly submodules?: 'refuse' | 'empty' | 'fetch'
}

/** All files of a commit, looked at and in order, each with the place where its content is. */
export interface Files {
  /** A folder before what is in it. */
  readonly entries: readonly PathEntry[]
  /** Of the symbolic links among them. */
  readonly targets: ReadonlyMap<string, string>
  readonly committedAt: Date
}

const LINK_BYTES = 4_000

/** Where the files of a commit come from. */
export interface FilesSource {
  readonly origin: Origin
  readonly submodules: Submodules
  readonly limits: Limits
}

export async function filesOf(
  { origin, submodules, limits }: FilesSource,
  commit: ObjectId,
  options: FilesOptions = {},
  signal?: AbortSignal,
): Promise<Files> {
  const { tree, committer } = parseCommit(await origin.reader.readAs('commit', commit))
  const entries: PathEntry[] = []
  if (options.submodules === 'fetch') {
    const time = AbortSignal.timeout(limits.fetchMs)
    await submodules.walk(origin, commit, entries, signal ? AbortSignal.any([signal, time]) : time)
  } else {
    const submodule = async ({ path }: PathEntry) => {
      if (options.submodules !== 'empty') throw new WritError('tree_submodules', printable(path))
    }
    await walkTree({ origin, root: tree, prefix: '', entries, limits, submodule })
  }
  const targets = await readLinks(entries)
  checkLinks(targets)
  if (options.submodules === 'fetch')
    for (const { mode, path } of entries) if (mode === 'submodule') checkLinksBelow(path, targets)
  return { entries, targets, committedAt: committer.at }
}

/** What somebody has signed as a library is not to reach around itself: its links stay in its own folder. */
function checkLinksBelow(path: string, targets: ReadonlyMap<string, string>): void {
  const own = [...targets].filter(([link]) => link.startsWith(`${path}/`))
  checkLinks(new Map(own.map(([link, target]) => [link.slice(path.length + 1), target])))
}

async function readLinks(entries: readonly PathEntry[]): Promise<Map<string, string>> {
  const targets = new Map<string, string>()
  for (const { path, mode, id, origin } of entries) {
    if (mode !== 'symlink') continue
    const { bytes } = await origin.reader.readAs('blob', id)
    const target = bytes.toString('utf8')
    if (bytes.length > LINK_BYTES || Buffer.compare(Buffer.from(target), bytes) !== 0) {
      throw new WritError('tree_unsafe', `${printable(path)}: a link that is too long or not UTF-8`)
    }
    targets.set(path, target)
  }
  return targets
}
