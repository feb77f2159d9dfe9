import { WritError } from '../../../protocol/errors.ts'
import type { Address } from './address.ts'
import type { ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import { parseTree, printable, type TreeEntry } from './objects.ts'
import type { Limits } from './options.ts'

/** A repository, as far as files come from it. */
export interface Origin {
  readonly reader: ObjectReader
  readonly address: Address
}

export interface PathEntry {
  /** From the root, with slashes, neither at its beginning nor at its end. */
  readonly path: string
  readonly mode: TreeEntry['mode']
  readonly id: ObjectId
  readonly origin: Origin
}

export interface Walk {
  readonly origin: Origin
  /** A tree. */
  readonly root: ObjectId
  /** In front of all its paths: empty, or the path of a submodule and a slash. */
  readonly prefix: string
  /** What is found is added here; what several walks add counts together. */
  readonly entries: PathEntry[]
  readonly limits: Pick<Limits, 'treeEntries'>
  /** Called for each submodule, right after it was added. */
  readonly submodule: (entry: PathEntry) => Promise<void>
}

const PATH_BYTES = 4_000
const DEPTH = 100

/**
 * All entries below a tree, a folder before what is in it. A tree of 1 KB can name a file in 10^10 places, so what
 * counts is places, while walking: `tree_too_large`. `tree_unsafe`, `repository_damaged`.
 */
export async function walkTree({ origin, root, prefix, entries, limits, submodule }: Walk): Promise<void> {
  const visit = async (id: ObjectId, above: string, depth: number): Promise<void> => {
    if (depth > DEPTH) throw new WritError('tree_unsafe', 'too many folders in each other')
    for (const { mode, name, id: child } of parseTree(await origin.reader.readAs('tree', id))) {
      const entry = { path: `${above}${name}`, mode, id: child, origin }
      if (Buffer.byteLength(entry.path) > PATH_BYTES)
        throw new WritError('tree_unsafe', `a path is too long: ${printable(entry.path)}`)
      entries.push(entry)
      if (entries.length > limits.treeEntries) {
        throw new WritError('tree_too_large', `more than ${limits.treeEntries} entries`)
      }
      if (mode === 'folder') await visit(child, `${entry.path}/`, depth + 1)
      else if (mode === 'submodule') await submodule(entry)
    }
  }
  await visit(root, prefix, 0)
}
