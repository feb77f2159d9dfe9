import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'
import type { Files } from './files.ts'
import type { Limits } from './options.ts'
import { tooLarge } from './too-large.ts'

export interface TarOptions {
  /** Put in front of every name, `git` for /git. Default: nothing. */
  readonly folder?: string
  /** Owner of all entries. Default 0. */
  readonly uid?: number
  readonly gid?: number
}

/**
 * The files of a commit as a tar, made here from the objects themselves: `git archive` would obey the attributes of the
 * repository, which leave files out and change others, and so run something else than what was signed.
 */
export function treeTar(files: Files, limits: Limits, options: TarOptions = {}): Readable {
  return Readable.from(chunks(files, limits, options), { objectMode: false })
}

async function* chunks(files: Files, limits: Limits, options: TarOptions): AsyncGenerator<Uint8Array> {
  const tar = pack()
  const packing = packInto(tar, files, limits, options)
  packing.catch(error => tar.destroy(error))
  // Whoever stops reading destroys the tar by it, and that ends the packing.
  yield* tar as AsyncIterable<Uint8Array>
  await packing
}

async function packInto(
  tar: Pack,
  { entries, targets, committedAt: mtime }: Files,
  limits: Limits,
  options: TarOptions,
): Promise<void> {
  const { folder, uid = 0, gid = 0 } = options
  const common = { uid, gid, mtime }
  let total = 0
  if (folder) await add(tar, { name: folder, type: 'directory', mode: 0o755, ...common })
  for (const { path, mode, id, origin, large } of entries) {
    const name = folder ? `${folder}/${path}` : path
    if (mode === 'folder' || mode === 'submodule') await add(tar, { name, type: 'directory', mode: 0o755, ...common })
    else if (mode === 'symlink') {
      await add(tar, { name, type: 'symlink', linkname: targets.get(path) as string, mode: 0o777, ...common })
    } else if (large) {
      total += large.size
      if (total > limits.treeBytes) throw tooLarge(limits)
      const { size } = large
      const header = { name, type: 'file' as const, size, mode: mode === 'executable' ? 0o755 : 0o644, ...common }
      await pipeline(large.read(), tar.entry(header) as unknown as Writable)
    } else {
      const { bytes } = await origin.reader.readAs('blob', id)
      total += bytes.length
      if (total > limits.treeBytes) throw tooLarge(limits)
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
