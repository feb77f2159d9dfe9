import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'

/** The user that jobs run as (gostint.md §9.2): what it is to write to must be its own. */
const JOB_USER = { uid: 2001, gid: 2001, uname: 'gostint', gname: 'gostint' }

/**
 * A folder, or a ready .tar.gz, as the `content` of a job: `targz,` and base64. The folder's own name is not part of it: what is
 * in it lies at the root of the container.
 */
export async function packContent(path: string): Promise<string> {
  // the path itself may be a link to the folder; links in the folder stay links
  const facts = await stat(path)
  const gz = facts.isDirectory() ? await packFolder(path) : await readFile(path)
  return `targz,${gz.toString('base64')}`
}

async function packFolder(folder: string): Promise<Buffer> {
  const tar = pack()
  // what goes wrong comes out of the gzip, where it is awaited; without a listener here it would end the process as well
  tar.on('error', () => {})
  const gzip = tar.pipe(createGzip())
  const adding = addFolder(tar, folder, '').then(
    () => tar.finalize(),
    error => {
      tar.destroy(error)
      gzip.destroy(error)
    },
  )
  const chunks: Buffer[] = []
  for await (const chunk of gzip) chunks.push(chunk)
  await adding
  return Buffer.concat(chunks)
}

/** Sorted, so that the same folder gives the same archive. */
async function addFolder(tar: ReturnType<typeof pack>, folder: string, prefix: string): Promise<void> {
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name)
    const facts = await lstat(path)
    const header = { ...JOB_USER, name: `./${prefix}${name}`, mode: facts.mode & 0o777, mtime: facts.mtime }
    if (facts.isDirectory()) {
      tar.entry({ ...header, type: 'directory' })
      await addFolder(tar, path, `${prefix}${name}/`)
    } else if (facts.isSymbolicLink()) {
      tar.entry({ ...header, type: 'symlink', linkname: await readlink(path) })
    } else if (facts.isFile()) {
      await pipeline(createReadStream(path), tar.entry({ ...header, size: facts.size }))
    }
    // sockets, pipes and devices have no place in a job
  }
}
