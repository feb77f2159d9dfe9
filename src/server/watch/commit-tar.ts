import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header, type Pack, pack } from 'tar-stream'

/** Where the CA of the Vault is, in the container (gitops.md §10). */
export const CA_FILE = 'git/.flant_gitops/ca.crt'
const ROOT = 'git'
/** Whom the commands run as: what they work on is theirs. */
const OWNER = { uid: 2001, gid: 2001 }

/**
 * The files of a commit, with relative names, as a tar to lay over the root of the container: below `/git`, with the CA beside them
 * if there is one. An entry of the commit in the place of the CA is left out: the commit must not say whom the commands trust.
 */
export async function* commitTar(files: Readable, ca: string): AsyncGenerator<Uint8Array> {
  const tar = pack()
  const packing = packInto(tar, files, ca)
  packing.catch(error => tar.destroy(error))
  yield* tar as AsyncIterable<Uint8Array>
  await packing
}

async function packInto(tar: Pack, files: Readable, ca: string): Promise<void> {
  const entries = extract()
  const reading = pipeline(files, entries as unknown as Writable)
  reading.catch(() => {})
  tar.entry({ name: `${ROOT}/`, type: 'directory', mode: 0o755, ...OWNER })
  for await (const entry of entries) {
    const { header } = entry
    const name = header.name.replace(/\/+$/, '')
    if (ca !== '' && isInTheWay(name, header)) entry.resume()
    else await pipeline(entry as unknown as Readable, tar.entry(placed(header, name)) as unknown as Writable)
  }
  // the stream fails at its end if an object turns out damaged, and then nothing of it may be used
  await reading
  if (ca !== '') {
    tar.entry({ name: 'git/.flant_gitops/', type: 'directory', mode: 0o755, ...OWNER })
    tar.entry({ name: CA_FILE, mode: 0o777, ...OWNER }, `${ca}\n`)
  }
  tar.finalize()
}

/** The CA itself, or something that is no folder where its folder is to be. */
function isInTheWay(name: string, { type }: Header): boolean {
  const path = `${ROOT}/${name}`
  return path === CA_FILE || path.startsWith(`${CA_FILE}/`) || (path === 'git/.flant_gitops' && type !== 'directory')
}

function placed(header: Header, name: string): Partial<Header> & { name: string } {
  const { type, mode, size, linkname } = header
  const target = type === 'link' ? `${ROOT}/${linkname}` : linkname
  return {
    name: `${ROOT}/${name}`,
    type,
    mode,
    size,
    ...(target ? { linkname: target } : {}),
    mtime: header.mtime,
    ...OWNER,
  }
}
