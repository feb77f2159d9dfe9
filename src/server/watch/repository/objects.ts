import { WritError } from '../../../protocol/errors.ts'
import { isObjectId, type ObjectId } from './object-id.ts'
import type { GitObject } from './object-reader.ts'

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

export interface Tag {
  readonly object: ObjectId
  readonly type: string
  readonly name: string
}

export interface TreeEntry {
  readonly mode: 'file' | 'executable' | 'symlink' | 'folder' | 'submodule'
  readonly name: string
  readonly id: ObjectId
}

/** Strictly in git's own order: a second `tree` or a header out of its place is somebody's trick. `repository_damaged`. */
export function parseCommit({ id, bytes }: GitObject): Commit {
  const { lines, rest } = header(bytes)
  let at = 0
  const next = (name: string) => {
    const line = lines[at] ?? ''
    if (!line.startsWith(`${name} `)) throw malformed(id)
    at += 1
    return line.slice(name.length + 1)
  }
  const tree = idIn(next('tree'), id)
  const parents: ObjectId[] = []
  while (lines[at]?.startsWith('parent ')) parents.push(idIn(next('parent'), id))
  const author = person(next('author'), id)
  const committer = person(next('committer'), id)
  const again = lines.slice(at).find(line => /^(tree|parent|author|committer) /.test(line))
  if (again !== undefined) throw malformed(id)
  return { id, tree, parents, author, committer, message: rest.toString('utf8') }
}

export function parseTag({ id, bytes }: GitObject): Tag {
  const { lines } = header(bytes)
  const [object, type, tag] = ['object', 'type', 'tag'].map((name, at) => {
    const line = lines[at] ?? ''
    if (!line.startsWith(`${name} `)) throw malformed(id)
    return line.slice(name.length + 1)
  }) as [string, string, string]
  if (lines.slice(3).some(line => /^(object|type|tag) /.test(line))) throw malformed(id)
  return { object: idIn(object, id), type, name: Buffer.from(tag, 'latin1').toString('utf8') }
}

const MODES: ReadonlyMap<string, TreeEntry['mode']> = new Map([
  ['100644', 'file'],
  ['100664', 'file'], // by git before 2005
  ['100755', 'executable'],
  ['120000', 'symlink'],
  ['40000', 'folder'],
  ['160000', 'submodule'],
])

/** The entries of a tree. `repository_damaged` for what is malformed, `tree_unsafe` for a name that no folder should hold. */
export function parseTree({ id, bytes }: GitObject): TreeEntry[] {
  const entries: TreeEntry[] = []
  const names = new Set<string>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const end = bytes.indexOf(0, at)
    if (space < 0 || end < space || end + 21 > bytes.length) throw malformed(id)
    const mode = MODES.get(bytes.toString('latin1', at, space).replace(/^0+/, ''))
    if (!mode) throw malformed(id)
    const name = checkedName(bytes.subarray(space + 1, end))
    if (names.has(name)) throw new WritError('tree_unsafe', `${printable(name)} is there twice`)
    if (names.size === TREE_ENTRIES)
      throw new WritError('tree_too_large', `a folder of more than ${TREE_ENTRIES} entries`)
    names.add(name)
    entries.push({ mode, name, id: bytes.toString('hex', end + 1, end + 21) })
    at = end + 21
  }
  return entries
}

/** A tar would carry other names than UTF-8 to a file system that shows them as something else. */
function checkedName(bytes: Buffer): string {
  const name = bytes.toString('utf8')
  if (Buffer.compare(Buffer.from(name), bytes) !== 0) throw new WritError('tree_unsafe', 'a name is not UTF-8')
  if (name === '' || name === '.' || name === '..' || name.includes('/')) throw new WritError('tree_unsafe', 'a name')
  if (name.toLowerCase() === '.git') throw new WritError('tree_unsafe', '.git')
  if (bytes.length > 255) throw new WritError('tree_unsafe', 'a name is too long')
  return name
}

/**
 * More than anybody writes into one, and than a signature takes. The attack: a commit of 100 MB of lines, which nobody need have signed, and no
 * memory is left for anything else.
 */
const COMMIT_BYTES = 1024 * 1024
/** Of one folder, or of the notes: each is kept in memory before anything of it can be refused. */
const TREE_ENTRIES = 200_000

/** The header of a commit or tag without the lines that continue another one. `repository_too_large`. */
function header(bytes: Buffer): { lines: string[]; rest: Buffer } {
  if (bytes.length > COMMIT_BYTES)
    throw new WritError('repository_too_large', `a commit or tag of more than ${COMMIT_BYTES} bytes`)
  const found = bytes.indexOf('\n\n')
  const end = found < 0 ? bytes.length : found
  const lines = bytes.toString('latin1', 0, end).split('\n')
  return { lines: lines.filter(line => !line.startsWith(' ')), rest: bytes.subarray(Math.min(end + 2, bytes.length)) }
}

function person(text: string, id: ObjectId): Person {
  const whole = Buffer.from(text, 'latin1').toString('utf8')
  const [, name, email, seconds] = /^(.*?) ?<([^<>]*)> (\d{1,12}) [+-]\d{1,7}$/.exec(whole) ?? []
  if (name === undefined || email === undefined) throw malformed(id)
  return { name, email, at: new Date(Number(seconds) * 1000) }
}

function idIn(text: string, id: ObjectId): ObjectId {
  if (!isObjectId(text)) throw malformed(id)
  return text
}

function malformed(id: ObjectId): WritError {
  return new WritError('repository_damaged', `${id} is malformed`)
}

/** A name for an error text: somebody else's bytes, so without what moves a terminal's cursor. */
export function printable(name: string): string {
  return name.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 100)
}
