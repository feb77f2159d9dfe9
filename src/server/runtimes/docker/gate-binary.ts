import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

const PROGRAM_INTERPRETER = 3
/** Machines of ELF files (elf(5), e_machine), as container engines call them. */
const ARCHITECTURES = new Map([
  [62, 'amd64'],
  [183, 'arm64'],
])

/** A busybox that needs no library: shell and tar for images that have neither. */
export interface GateBinary {
  readonly path: string
  readonly architecture: string
  /** Of its content: images that were prepared with another one are prepared again. */
  readonly fingerprint: string
}

/**
 * The architecture of a statically linked program: an ELF file whose program headers name no interpreter (elf(5)); only
 * 64 bit little-endian, as all that we run on. Null for everything else.
 */
export function staticArchitecture(path: string): string | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  try {
    const head = Buffer.alloc(4096)
    const length = readSync(file, head, 0, head.length, 0)
    if (length < 64 || head.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return null
    const [start, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
    if (start + size * count > length) return null
    const kinds = Array.from({ length: count }, (_, n) => head.readUInt32LE(start + n * size))
    return kinds.includes(PROGRAM_INTERPRETER) ? null : (ARCHITECTURES.get(head.readUInt16LE(18)) ?? null)
  } finally {
    closeSync(file)
  }
}

/** The first busybox in `PATH` that runs without any library, as in an empty image. */
export function findStaticBusybox(env: NodeJS.ProcessEnv = process.env): string | undefined {
  // not of the folder that the server was started in: it goes into containers that have the secrets of jobs
  const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute)
  const paths = folders.map(folder => join(folder, 'busybox'))
  return paths.find(path => staticArchitecture(path) !== null)
}

/** `path`, or what is found on this machine if that is empty. Null if there is none. */
export function gateBinary(path: string, env?: NodeJS.ProcessEnv): GateBinary | null {
  const found = path || findStaticBusybox(env)
  const architecture = found && staticArchitecture(found)
  if (!found || !architecture) return null
  const fingerprint = createHash('sha256').update(readFileSync(found)).digest('hex').slice(0, 12)
  return { path: found, architecture, fingerprint }
}
