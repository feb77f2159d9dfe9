import { WritError } from '../../../protocol/errors.ts'
import type { Address } from './address.ts'
import type { Lfs } from './lfs/lfs.ts'
import { type Pointer, pointerIn } from './lfs/pointer.ts'
import { checkLinks } from './links.ts'
import type { ObjectId } from './object-id.ts'
import type { ObjectReader } from './object-reader.ts'
import { parseCommit, printable } from './objects.ts'
import type { Limits } from './options.ts'
import type { Submodules } from './submodules/submodules.ts'
import { tooLarge } from './too-large.ts'
import { type Origin, type PathEntry, walkTree } from './tree.ts'

export interface FilesOptions {
  /** Default: a commit that has any is refused, rather than run without a part of it. */
  readonly submodules?: 'refuse' | 'empty' | 'fetch'
  /** Default: files of git-lfs are their pointers. */
  readonly lfs?: 'pointers' | 'fetch'
}

/** An entry, and where its content is if that is not its object. */
export interface FileEntry extends PathEntry {
  readonly large?: { readonly size: number; read(): AsyncIterable<Buffer> }
}

/** All files of a commit, looked at and in order, each with the place where its content is. */
export interface Files {
  /** A folder before what is in it. */
  readonly entries: readonly FileEntry[]
  /** Of the symbolic links among them. */
  readonly targets: ReadonlyMap<string, string>
  readonly committedAt: Date
}

const LINK_BYTES = 4_000

/** Where the files of a commit come from. */
export interface FilesSource {
  readonly origin: Origin
  readonly submodules: Submodules
  readonly lfs: Lfs
  readonly limits: Limits
}

export async function filesOf(
  { origin, submodules, lfs, limits }: FilesSource,
  commit: ObjectId,
  options: FilesOptions = {},
  signal?: AbortSignal,
): Promise<Files> {
  const { tree, committer } = parseCommit(await origin.reader.readAs('commit', commit))
  const entries: PathEntry[] = []
  const time = AbortSignal.timeout(limits.fetchMs)
  const within = signal ? AbortSignal.any([signal, time]) : time
  if (options.submodules === 'fetch') await submodules.walk(origin, commit, entries, within)
  else {
    const submodule = async ({ path }: PathEntry) => {
      if (options.submodules !== 'empty') throw new WritError('tree_submodules', printable(path))
    }
    await walkTree({ origin, root: tree, prefix: '', entries, limits, submodule })
  }
  const targets = await readLinks(entries)
  checkLinks(targets)
  if (options.submodules === 'fetch')
    for (const { mode, path } of entries) if (mode === 'submodule') checkLinksBelow(path, targets)
  const found = options.lfs === 'fetch' ? await withLarge(entries, lfs, limits, within) : entries
  return { entries: found, targets, committedAt: committer.at }
}

/** The same entries, with the contents that pointers among them name; all of them are here then. */
async function withLarge(
  entries: readonly PathEntry[],
  lfs: Lfs,
  limits: Limits,
  signal: AbortSignal,
): Promise<FileEntry[]> {
  const pointers = await pointersIn(entries, limits)
  checkAmount([...pointers.values()], limits)
  const wanted = new Map<string, { address: Address; pointers: Map<string, Pointer> }>()
  for (const [{ origin, path }, pointer] of pointers) {
    const { address } = origin
    const of = wanted.get(address.url) ?? { address, pointers: new Map<string, Pointer>() }
    wanted.set(address.url, of)
    const known = of.pointers.get(pointer.oid)
    if (known && known.size !== pointer.size)
      throw new WritError('lfs_pointer_invalid', `${printable(path)}: another file has this hash with another size`)
    of.pointers.set(pointer.oid, pointer)
  }
  for (const { address, pointers } of wanted.values()) await lfs.bring(address, [...pointers.values()], signal)
  return entries.map(entry => {
    const pointer = pointers.get(entry)
    const read = () => lfs.read(entry.origin.address, pointer as Pointer)
    return pointer ? { ...entry, large: { size: pointer.size, read } } : entry
  })
}

/** How many files of a commit LFS has, and how large they are together. Not those of submodules; nothing is fetched. */
export async function largeFilesOf(
  origin: Origin,
  commit: ObjectId,
  limits: Limits,
): Promise<{ files: number; bytes: number }> {
  const { tree } = parseCommit(await origin.reader.readAs('commit', commit))
  const entries: PathEntry[] = []
  await walkTree({ origin, root: tree, prefix: '', entries, limits, submodule: async () => undefined })
  const pointers = [...(await pointersIn(entries, limits)).values()]
  checkAmount(pointers, limits)
  return { files: pointers.length, bytes: pointers.reduce((sum, { size }) => sum + size, 0) }
}

function checkAmount(pointers: readonly Pointer[], limits: Limits): void {
  if (pointers.reduce((sum, { size }) => sum + size, 0) > limits.treeBytes) throw tooLarge(limits)
  if (new Set(pointers.map(({ oid }) => oid)).size > limits.lfsObjects)
    throw new WritError('tree_too_large', `more than ${limits.lfsObjects} contents of LFS`)
}

/**
 * Every file is read for it: its size alone is known to nobody whom one would have to believe. Each once, and never more than may be in
 * a commit: a tree of 1 KB can name a file of 100 MB in 50,000 places, and nobody need have signed it yet.
 */
async function pointersIn(entries: readonly PathEntry[], limits: Limits): Promise<Map<PathEntry, Pointer>> {
  const pointers = new Map<PathEntry, Pointer>()
  const known = new Map<ObjectReader, Map<ObjectId, { bytes: number; pointer: Pointer | undefined }>>()
  let total = 0
  for (const entry of entries) {
    if (entry.mode !== 'file' && entry.mode !== 'executable') continue
    const { reader } = entry.origin
    const read = known.get(reader) ?? new Map()
    known.set(reader, read)
    const file = read.get(entry.id) ?? (await look(entry))
    read.set(entry.id, file)
    total += file.bytes
    if (total > limits.treeBytes) throw tooLarge(limits)
    if (file.pointer) pointers.set(entry, file.pointer)
  }
  return pointers
}

async function look({ path, id, origin }: PathEntry): Promise<{ bytes: number; pointer: Pointer | undefined }> {
  const { bytes } = await origin.reader.readAs('blob', id)
  try {
    return { bytes: bytes.length, pointer: pointerIn(bytes) }
  } catch (error) {
    if (error instanceof WritError) throw new WritError(error.code, printable(path))
    throw error
  }
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
