import type { Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type Header, type Pack, pack } from 'tar-stream'
import { WritError } from '../../protocol/errors.ts'
import { withJobUser } from '../runtimes/docker/passwd.ts'
import { asContentError, contentEntries } from './content-entries.ts'
import { METADATA_FILE } from './content-rules.ts'

export interface CheckedContent {
  /** The text of `gostint.yml` at the top, if there is one (gostint.md §7). */
  readonly metadata: string | null
  readonly entries: number
  /** Of all files together, unpacked. */
  readonly bytes: number
}

/**
 * `targz,` and base64 (gostint.md §7): the gzipped tar. Line breaks in the base64 are tolerated, missing padding is
 * not.
 */
export function parseContent(content: string): Buffer {
  const [format, encoded, ...more] = content.split(',')
  if (format !== 'targz' || encoded === undefined || more.length > 0) {
    throw new WritError('content_invalid', 'unsupported archive format')
  }
  const base64 = encoded.replaceAll(/[\r\n]/g, '')
  const gz = Buffer.from(base64, 'base64')
  // Node decodes what it can and skips the rest; only a detour back shows that nothing was skipped.
  if (gz.toString('base64') !== base64) throw new WritError('content_invalid', 'it is not base64 with padding')
  return gz
}

/**
 * Reads all of it without keeping it, and refuses what must not reach an engine: `content_invalid`, `_unsafe`,
 * `_too_large`.
 */
export async function checkContent(gz: Uint8Array): Promise<CheckedContent> {
  let metadata: string | null = null
  let entries = 0
  let bytes = 0
  try {
    for await (const { header, body } of contentEntries(gz)) {
      entries += 1
      bytes += header.size
      if (header.name === METADATA_FILE && header.type === 'file') metadata = await text(body)
      else body.resume()
    }
  } catch (error) {
    throw asContentError(error)
  }
  return { metadata, entries, bytes }
}

/** Larger ones are no `/etc/passwd` that anybody wrote; they stay as they are. */
const PASSWD_BYTES = 1024 * 1024

/**
 * The same content as a plain tar that holds nothing but checked entries, in their simplest form: the engine sees
 * neither compression nor extended attributes nor setuid bits. Checks as it goes, so nothing unchecked can come out of
 * it either. Without the file that the secrets take the place of, and with the job's user in an `/etc/passwd` of its own (gostint.md §6, §9.3).
 */
export async function* repackContent(gz: Uint8Array, secretsName = 'secrets.yml'): AsyncGenerator<Uint8Array> {
  const tar = pack()
  const packing = packInto(tar, gz, secretsName)
  packing.catch(error => tar.destroy(error))
  try {
    // Whoever stops reading destroys the tar by it, and that ends the packing.
    yield* tar as AsyncIterable<Uint8Array>
    await packing
  } catch (error) {
    throw asContentError(error)
  }
}

async function packInto(tar: Pack, gz: Uint8Array, secretsName: string): Promise<void> {
  for await (const { header, body } of contentEntries(gz)) {
    if (header.name === secretsName) body.resume()
    else if (isPasswd(header)) {
      // its bytes, whatever they mean
      const passwd = Buffer.from(withJobUser((await buffer(body)).toString('latin1')), 'latin1')
      tar.entry({ ...header, size: passwd.length, mode: 0o444, uid: 0, gid: 0 }, passwd)
    } else await pipeline(body, tar.entry(header) as unknown as Writable)
  }
  tar.finalize()
}

function isPasswd({ name, type, size = 0 }: Header): boolean {
  return name === 'etc/passwd' && type === 'file' && size <= PASSWD_BYTES
}
