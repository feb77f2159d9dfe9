import { WritError } from '../../../protocol/errors.ts'
import type { ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import { parseTree, printable, type TreeEntry } from './objects.ts'
import type { Limits } from './options.ts'

export interface PathEntry {
  /** From the root, with slashes, neither at its beginning nor at its end. */
  readonly path: string
  readonly mode: TreeEntry['mode']
  readonly id: ObjectId
}

const PATH_BYTES = 4_000
const DEPTH = 100

/**
 * All entries below a tree, a folder before what is in it. A tree of 1 KB can name a file in 10^10 places, so what
 * counts is places, while walking: `tree_too_large`. `tree_unsafe`, `repository_damaged`.
 */
export async function walkTree(reader: ObjectReader, root: ObjectId, limits: Limits): Promise<PathEntry[]> {
  const entries: PathEntry[] = []
  const visit = async (id: ObjectId, prefix: string, depth: number): Promise<void> => {
    if (depth > DEPTH) throw new WritError('tree_unsafe', 'too many folders in each other')
    for (const { mode, name, id: child } of parseTree(await reader.readAs('tree', id))) {
      const path = `${prefix}${name}`
      if (Buffer.byteLength(path) > PATH_BYTES)
        throw new WritError('tree_unsafe', `a path is too long: ${printable(path)}`)
      entries.push({ path, mode, id: child })
      if (entries.length > limits.treeEntries) {
        throw new WritError('tree_too_large', `more than ${limits.treeEntries} entries`)
      }
      if (mode === 'folder') await visit(child, `${path}/`, depth + 1)
    }
  }
  await visit(root, '', 0)
  return entries
}
