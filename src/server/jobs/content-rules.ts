import type { Header } from 'tar-stream'
import { WritError } from '../../protocol/errors.ts'

export const METADATA_FILE = 'gostint.yml'

const METADATA_BYTES = 64 * 1024
const ENTRIES = 20_000
const FILE_BYTES = 256 * 1024 * 1024
const COMPONENT_BYTES = 255
const PATH_BYTES = 4_095
/** Each entry's way is walked folder by folder, so depth costs time. */
const DEPTH = 64
const HIGHEST_ID = 65_535
const JOB_USER = 2001
const LATEST_SECONDS = 2 ** 31 - 1

/** Mounted or made by the engine and by writ; over some of them a container does not even start. */
const TAKEN = ['proc', 'sys', 'dev', '.dockerenv', 'run/writ', '.writ']
/** Of a folder that somebody also tries out by himself; GoStint laid its own file over that of the content. */
const SECRETS = ['secrets.yml', 'secrets.json']
/** A file or link of such a name in place of the image's folder destroys the container. */
const FOLDERS = new Set(
  'bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var'.split(' '),
)

type Kind = 'file' | 'directory' | 'symlink' | 'link'

/**
 * What may be in the content of a job, judged entry by entry in their order. Unpacking is
 * contained by the engine, but engines differ and some entries harm the engine itself: a FIFO as `/etc/passwd` blocks
 * it for ever.
 */
export class ContentRules {
  /** What unpacking has made so far; a hard link counts as the file it is. */
  readonly #made = new Map<string, Exclude<Kind, 'link'>>()
  #entries = 0
  #bytes = 0

  /** A new, clean header; throws `content_unsafe` or `content_too_large`. */
  checked(header: Header): Header {
    try {
      return this.#checked(header)
    } catch (error) {
      if (error instanceof Refused) throw new WritError('content_unsafe', `${printable(header.name)}: ${error.message}`)
      throw error
    }
  }

  #checked(header: Header): Header {
    const kind = kindOf(header)
    // the Go gostint-client leaves the name of the packed folder itself empty: it is the root
    const name = header.name === '' && kind === 'directory' ? '.' : cleanPath(header.name)
    if (kind !== 'file' && header.size > 0) throw new Refused('a folder or link with a size')
    this.#bytes += header.size
    if (this.#bytes > FILE_BYTES) throw new WritError('content_too_large', `more than ${FILE_BYTES} bytes`)
    if (name === METADATA_FILE && header.size > METADATA_BYTES) throw new WritError('content_too_large', METADATA_FILE)
    if (name === '.') {
      if (kind !== 'directory') throw new Refused('in place of the root')
      this.#count()
    } else {
      this.#place(name, kind)
    }
    const linkname = this.#target(name, kind, header.linkname)
    // not there to be linked to: the file of secrets takes its place
    if (!SECRETS.includes(name)) this.#made.set(name, kind === 'link' ? 'file' : kind)
    return clean(header, { name, type: kind, linkname })
  }

  #place(name: string, kind: Kind): void {
    if (TAKEN.some(taken => name === taken || name.startsWith(`${taken}/`))) throw new Refused('the name is taken')
    if (SECRETS.some(taken => (name === taken && kind !== 'file') || name.startsWith(`${taken}/`)))
      throw new Refused('in place of the file of secrets')
    if (kind !== 'directory' && FOLDERS.has(name)) throw new Refused('in place of a system folder')
    for (let slash = name.indexOf('/'); slash > 0; slash = name.indexOf('/', slash + 1)) {
      this.#folder(name.slice(0, slash))
    }
    const before = this.#made.get(name)
    const replaces = kind === 'link' ? 'file' : kind
    if (before !== undefined && (before !== replaces || before === 'symlink'))
      throw new Refused('in place of an earlier entry')
    if (before === undefined || kind !== 'directory') this.#count()
  }

  /** A folder on the way to an entry, made if need be: thousands of those are as costly as thousands of entries. */
  #folder(path: string): void {
    const made = this.#made.get(path)
    // Through a symbolic link of the archive, an entry would land where its name does not say.
    if (made !== undefined && made !== 'directory') throw new Refused('inside of what is no folder')
    if (made === undefined) {
      this.#count()
      this.#made.set(path, 'directory')
    }
  }

  #count(): void {
    this.#entries += 1
    if (this.#entries > ENTRIES) throw new WritError('content_too_large', `more than ${ENTRIES} entries`)
  }

  #target(name: string, kind: Kind, target: string): string {
    if (kind === 'symlink') return inside(name, target)
    return kind === 'link' ? this.#earlierFile(name, target) : ''
  }

  /** Not a file of the image: the link would give it a second name, which may be one with other rights. */
  #earlierFile(name: string, target: string): string {
    const path = cleanPath(target)
    if (path === name || this.#made.get(path) !== 'file') throw new Refused('a hard link to no earlier file')
    return path
  }
}

class Refused extends Error {}

function kindOf({ type, pax }: Header): Kind {
  // A sparse file of 10 KB can claim a terabyte, and the engine writes every zero of it.
  if (Object.keys(pax ?? {}).some(key => key.startsWith('GNU.sparse'))) throw new Refused('a sparse file')
  if (type === 'file' || type === 'directory' || type === 'symlink' || type === 'link') return type
  throw new Refused('neither file, folder nor link')
}

/** Without `.` and doubled slashes; the root itself is `.`. */
function cleanPath(path: string): string {
  if (!path || path.includes('\0') || path.startsWith('/')) throw new Refused('an empty or absolute path')
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) throw new Refused('a path with ".."')
  if (parts.some(part => Buffer.byteLength(part) > COMPONENT_BYTES) || Buffer.byteLength(path) > PATH_BYTES) {
    throw new Refused('a name that is too long')
  }
  if (parts.length > DEPTH) throw new Refused('a path that is too deep')
  return parts.join('/') || '.'
}

/** The target of a symbolic link, if following it from where the link lies does not leave the root. */
function inside(name: string, target: string): string {
  if (!target || target.includes('\0') || target.startsWith('/')) throw new Refused('a link with an absolute target')
  if (Buffer.byteLength(target) > PATH_BYTES) throw new Refused('a link that is too long')
  let depth = name.split('/').length - 1
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1
    else if (part !== '' && part !== '.') depth += 1
    if (depth < 0) throw new Refused('a link that leads outside')
  }
  return target
}

function clean(header: Header, rest: Pick<Header, 'name' | 'type' | 'linkname'>): Header {
  const seconds = Math.trunc(header.mtime.getTime() / 1000)
  return {
    ...rest,
    size: header.size,
    // Without setuid and setgid.
    mode: header.mode & 0o1777,
    uid: id(header.uid),
    gid: id(header.gid),
    // Beyond this, the writer of the tar would overflow into a header that the engine cannot read.
    mtime: new Date(seconds >= 0 && seconds <= LATEST_SECONDS ? seconds * 1000 : 0),
    uname: '',
    gname: '',
    devmajor: 0,
    devminor: 0,
  }
}

function id(value: number): number {
  return Number.isInteger(value) && value >= 0 && value <= HIGHEST_ID ? value : JOB_USER
}

/** A name of the archive for an error text: somebody else's bytes, so without what moves a terminal's cursor. */
function printable(name: string): string {
  return String(name)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 100)
}
