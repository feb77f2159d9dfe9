import { Readable } from 'node:stream'
import { type Pack, pack } from 'tar-stream'
import { WritError } from '../../../protocol/errors.ts'
import { checkLinks } from './links.ts'
import type { ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import { parseCommit, printable } from './objects.ts'
import type { Limits } from './options.ts'
import { type PathEntry, walkTree } from './tree.ts'

export interface TarOptions {
  /** Put in front of every name, `git` for /git. Default: nothing. */
  readonly folder?: string
  /** Owner of all entries. Default 0. */
  readonly uid?: number
  readonly gid?: number
  /** Their files are never fetched. Default: a commit that has any is refused, rather than run without a part of it. */
  readonly submodules?: 'refuse' | 'empty'
}

const LINK_BYTES = 4_000

/**
 * The files of a commit as a tar, made here from the objects themselves: `git archive` would obey the attributes of the
 * repository, which leave files out and change others, and so run something else than what was signed.
 */
export function treeTar(reader: ObjectReader, commit: ObjectId, limits: Limits, options: TarOptions = {}): Readable {
  return Readable.from(chunks(reader, commit, limits, options), { objectMode: false })
}

async function* chunks(
  reader: ObjectReader,
  id: ObjectId,
  limits: Limits,
  options: TarOptions,
): AsyncGenerator<Uint8Array> {
  const { tree, committer } = parseCommit(await reader.readAs('commit', id))
  const entries = await walkTree(reader, tree, limits)
  const submodule = entries.find(({ mode }) => mode === 'submodule')
  if (submodule && options.submodules !== 'empty') throw new WritError('tree_submodules', printable(submodule.path))
  const targets = await readLinks(reader, entries)
  checkLinks(targets)
  const tar = pack()
  const packing = packInto(tar, { reader, entries, targets, limits, options, mtime: committer.at })
  packing.catch(error => tar.destroy(error))
  // Whoever stops reading destroys the tar by it, and that ends the packing.
  yield* tar as AsyncIterable<Uint8Array>
  await packing
}

async function readLinks(reader: ObjectReader, entries: readonly PathEntry[]): Promise<Map<string, string>> {
  const targets = new Map<string, string>()
  for (const { path, mode, id } of entries) {
    if (mode !== 'symlink') continue
    const { bytes } = await reader.readAs('blob', id)
    const target = bytes.toString('utf8')
    if (bytes.length > LINK_BYTES || Buffer.compare(Buffer.from(target), bytes) !== 0) {
      throw new WritError('tree_unsafe', `${printable(path)}: a link that is too long or not UTF-8`)
    }
    targets.set(path, target)
  }
  return targets
}

interface Packing {
  readonly reader: ObjectReader
  readonly entries: readonly PathEntry[]
  readonly targets: ReadonlyMap<string, string>
  readonly limits: Limits
  readonly options: TarOptions
  readonly mtime: Date
}

async function packInto(tar: Pack, { reader, entries, targets, limits, options, mtime }: Packing): Promise<void> {
  const { folder, uid = 0, gid = 0 } = options
  const common = { uid, gid, mtime }
  let total = 0
  if (folder) await add(tar, { name: folder, type: 'directory', mode: 0o755, ...common })
  for (const { path, mode, id } of entries) {
    const name = folder ? `${folder}/${path}` : path
    if (mode === 'folder' || mode === 'submodule') await add(tar, { name, type: 'directory', mode: 0o755, ...common })
    else if (mode === 'symlink') {
      await add(tar, { name, type: 'symlink', linkname: targets.get(path) as string, mode: 0o777, ...common })
    } else {
      const { bytes } = await reader.readAs('blob', id)
      total += bytes.length
      if (total > limits.treeBytes) throw new WritError('tree_too_large', `more than ${limits.treeBytes} bytes`)
      await add(tar, { name, type: 'file', mode: mode === 'executable' ? 0o755 : 0o644, ...common }, bytes)
    }
  }
  tar.finalize()
}

type Header = Parameters<Pack['entry']>[0]

/** Waits until it has gone out, so that one file is in memory and not all. */
async function add(tar: Pack, header: Header, bytes?: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve())
    if (bytes) tar.entry(header, bytes, done)
    else tar.entry(header, done)
  })
}
