import { WritError } from '../../../protocol/errors.ts'
import type { ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import { parseCommit, parseTag, parseTree, type TreeEntry } from './objects.ts'

const TREES_KEPT = 1_000

/** The notes with further signatures, as a tree of blobs that are named after what they sign. */
export class Notes {
  readonly #reader: ObjectReader
  readonly #trees = new Map<ObjectId, ReadonlyMap<string, TreeEntry>>()

  constructor(reader: ObjectReader) {
    this.#reader = reader
  }

  /**
   * The note for a subject, at its whole name or below any number of two-digit folders; the first that is there
   * (gitops-quorum.md). `root` is a commit or an annotated tag of one. `signatures_unreadable` if it is something else
   * or cannot be read: not to know whether there is a note is not the same as to know that there is none.
   */
  async find(root: ObjectId, subject: string): Promise<Buffer | undefined> {
    try {
      return await this.#search(await this.#rootTree(root), subject)
    } catch (error) {
      const why = error instanceof WritError ? error.message : undefined
      throw new WritError('signatures_unreadable', why, { cause: error })
    }
  }

  async #search(root: ObjectId, subject: string): Promise<Buffer | undefined> {
    let tree: ObjectId | undefined = root
    for (let at = 0; tree !== undefined && at < subject.length; at += 2) {
      const entries = await this.#tree(tree)
      const note = entries.get(subject.slice(at))
      if (note?.mode === 'file' || note?.mode === 'executable')
        return (await this.#reader.readAs('blob', note.id)).bytes
      const folder = entries.get(subject.slice(at, at + 2))
      tree = folder?.mode === 'folder' ? folder.id : undefined
    }
    return undefined
  }

  async #rootTree(id: ObjectId): Promise<ObjectId> {
    const object = await this.#reader.read(id)
    if (object?.type === 'commit') return parseCommit(object).tree
    if (object?.type !== 'tag')
      throw new WritError('repository_damaged', 'the signatures are neither a commit nor a tag')
    return parseCommit(await this.#reader.readAs('commit', parseTag(object).object)).tree
  }

  async #tree(id: ObjectId): Promise<ReadonlyMap<string, TreeEntry>> {
    const kept = this.#trees.get(id)
    if (kept) return kept
    const entries = parseTree(await this.#reader.readAs('tree', id)).map(entry => [entry.name, entry] as const)
    if (this.#trees.size >= TREES_KEPT) this.#trees.clear()
    const made = new Map(entries)
    this.#trees.set(id, made)
    return made
  }
}
