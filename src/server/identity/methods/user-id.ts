import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { refusedHere } from '../../../vault/error.ts'

/** Where the user id of app-id comes from, and what is made of it (gatekeeper.md §5). */
export interface UserIdSource {
  readonly method: string
  readonly interface?: string
  readonly path?: string
  /** `sha256`, `sha1`, `md5`, or empty for none. */
  readonly hash?: string
  readonly salt?: string
}

const LONGEST = 64 * 1024

/** The user id of this machine. Errors say what is wrong with the source, never what was read. */
export async function userId(source: UserIdSource): Promise<string> {
  const id = await rawId(source)
  if (!source.hash) return id
  if (!['sha256', 'sha1', 'md5'].includes(source.hash)) throw refused('Unknown hash method specified for user id.')
  return createHash(source.hash)
    .update(source.salt ? `${source.salt}$${id}` : id)
    .digest('hex')
}

async function rawId(source: UserIdSource): Promise<string> {
  switch (source.method) {
    case 'mac':
      return await hardwareAddress(source.interface ?? '')
    case 'file':
      return await contentOf(source.path ?? '')
    default:
      throw refused('Unknown method specified for user id.')
  }
}

/** Lower-case colon hex; empty for loopback. */
async function hardwareAddress(name: string): Promise<string> {
  const [address] = networkInterfaces()[name] ?? []
  if (address) return address.internal ? '' : address.mac.toLowerCase()
  // one without an address of IP is not listed: it may be a part of a bridge, or of a bond
  if (!/^\w[\w.:-]{0,14}$/.test(name)) throw refused('no such network interface')
  const found = await readFile(`/sys/class/net/${name}/address`, 'utf8').catch(() => '')
  if (!/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\n$/.test(found)) throw refused('no such network interface')
  return found.trim()
}

/** The whole content, a line end at its end included: ids that were registered with vault-gatekeeper have it. */
async function contentOf(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST + 1), 0, LONGEST + 1, 0)
    if (bytesRead <= LONGEST) return buffer.toString('utf8', 0, bytesRead)
  } catch {
    // the reason would tell whoever asks which files there are
    throw refused('the file of the user id cannot be read')
  }
  throw refused('the file of the user id is too long')
}

function refused(reason: string): Error {
  return refusedHere('auth/app-id/login', reason)
}
