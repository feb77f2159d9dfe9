import { WritError } from '../../../../protocol/errors.ts'
import { git } from '../git.ts'
import type { ObjectId } from '../object-id.ts'
import type { ObjectReader } from '../object-reader.ts'
import { parseTree, printable } from '../objects.ts'

const FILE = '.gitmodules'
const FILE_BYTES = 256 * 1024
const TIMEOUT_MS = 20_000
/** What is read is in memory, and needs no repository; without any directory git would look for one. */
const NOWHERE = '/nonexistent'

/** URLs as they are written, by the path of the submodule. Somebody else's text. */
export type Declared = ReadonlyMap<string, string>

/**
 * What the `.gitmodules` of a tree says, read by git itself from the bytes that were signed. Stricter than git: where it takes the last
 * of several, or a name that leads elsewhere was once a hole, nothing is taken. Throws `submodule_invalid`, `repository_damaged`.
 */
export async function declaredIn(reader: ObjectReader, root: ObjectId): Promise<Declared> {
  const entry = parseTree(await reader.readAs('tree', root)).find(({ name }) => name === FILE)
  if (!entry) return new Map()
  // a link could name a file that was not signed
  if (entry.mode !== 'file' && entry.mode !== 'executable') throw invalid(`${FILE} is no file`)
  const { bytes } = await reader.readAs('blob', entry.id)
  if (bytes.length > FILE_BYTES) throw invalid(`${FILE} is larger than ${FILE_BYTES} bytes`)
  return await parseDeclared(bytes)
}

export async function parseDeclared(bytes: Uint8Array): Promise<Declared> {
  const args = ['config', '--no-includes', '--null', '--file', '-', '--list']
  const { code, stdout } = await git({ directory: NOWHERE, args, input: bytes, timeoutMs: TIMEOUT_MS })
  if (code !== 0) throw invalid(`${FILE} cannot be read`)
  const text = stdout.toString('utf8')
  if (Buffer.compare(Buffer.from(text), stdout) !== 0) throw invalid(`${FILE} is not UTF-8`)
  return byPath(sectionsOf(text))
}

interface Section {
  path?: string
  url?: string
}

function sectionsOf(text: string): Map<string, Section> {
  const sections = new Map<string, Section>()
  for (const line of text.split('\0')) {
    const [key = '', value] = line.split(/\n(.*)/s, 2)
    const [, name, field] = /^submodule\.(.*)\.(path|url)$/s.exec(key) ?? []
    if (name === undefined) continue
    // git made folders of such names once, and ran the hooks in them
    if (name === '' || name.split(/[/\\]/).includes('..') || /[\x00-\x1f\x7f]/.test(name))
      throw invalid(`a name: ${printable(name)}`)
    if (!value) throw invalid(`${printable(name)}: ${field} without a value`)
    const section = sections.get(name) ?? {}
    if (section[field as keyof Section] !== undefined) throw invalid(`${printable(name)}: ${field} is there twice`)
    sections.set(name, { ...section, [field as keyof Section]: value })
  }
  return sections
}

function byPath(sections: ReadonlyMap<string, Section>): Declared {
  const declared = new Map<string, string>()
  for (const { path, url } of sections.values()) {
    if (path === undefined || url === undefined) continue
    if (declared.has(path)) throw invalid(`two for ${printable(path)}`)
    declared.set(path, url)
  }
  return declared
}

function invalid(why: string): WritError {
  return new WritError('submodule_invalid', why)
}
