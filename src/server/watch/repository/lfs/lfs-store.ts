import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { WritError } from '../../../../protocol/errors.ts'
import type { Pointer } from './pointer.ts'

/** Contents of LFS that were checked, of one watch and one server, each a file named by its hash. */
export class LfsStore {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async has({ oid, size }: Pointer): Promise<boolean> {
    const path = this.#path(oid)
    const found = await stat(path).catch(() => undefined)
    if (found?.size !== size) return false
    const now = new Date()
    await utimes(path, now, now)
    await utimes(this.#directory, now, now)
    return true
  }

  /**
   * Keeps a content, once all of it is here and is what the pointer says; nothing is left of any other. Throws `lfs_content_wrong`, and
   * what the stream throws.
   */
  async put({ oid, size }: Pointer, content: Readable): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const making = join(this.#directory, `making-${randomBytes(8).toString('hex')}`)
    try {
      const file = createWriteStream(making, { flags: 'wx', mode: 0o600 })
      await pipeline(content, stream => checked(stream, { oid, size }), file)
      await rename(making, this.#path(oid))
    } catch (error) {
      await rm(making, { force: true })
      throw error
    }
  }

  /** A content, checked once more as it is read: it fails before its end, and is removed, if it is not that any more. */
  async *read(pointer: Pointer): AsyncGenerator<Buffer> {
    try {
      yield* checked(createReadStream(this.#path(pointer.oid)), pointer)
    } catch (error) {
      await rm(this.#path(pointer.oid), { force: true })
      const detail = `LFS: ${pointer.oid} is not what was kept`
      throw new WritError('repository_damaged', detail, { cause: error })
    }
  }

  /** Removes the longest unused, and what a crash left behind, until all is at most so large; what is `needed` stays. */
  async shrink(bytes: number, needed: ReadonlySet<string>): Promise<void> {
    const names = await readdir(this.#directory).catch(() => [])
    const files = await Promise.all(
      names.map(async name => ({ name, ...(await this.#sizeOf(name)), stays: needed.has(name) })),
    )
    let total = files.reduce((sum, { size }) => sum + size, 0)
    for (const { name, size, stays } of files.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (total <= bytes) return
      if (stays) continue
      await rm(join(this.#directory, name), { force: true })
      total -= size
    }
  }

  async #sizeOf(name: string): Promise<{ size: number; usedAt: number }> {
    const found = await stat(join(this.#directory, name)).catch(() => undefined)
    return { size: found?.size ?? 0, usedAt: found?.mtimeMs ?? 0 }
  }

  #path(oid: string): string {
    return join(this.#directory, oid)
  }
}

/** Passes bytes on, never more than there may be, and fails at their end unless they are those. */
async function* checked(content: AsyncIterable<Buffer>, { oid, size }: Pointer): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  let bytes = 0
  let held: Buffer | undefined
  for await (const chunk of content) {
    bytes += chunk.length
    if (bytes > size) throw wrong(oid, `it is longer than ${size} bytes`)
    hash.update(chunk)
    // the last bytes go out when all of them are known to be right
    if (held) yield held
    held = chunk
  }
  if (bytes !== size) throw wrong(oid, `it is ${bytes} bytes instead of ${size}`)
  if (hash.digest('hex') !== oid) throw wrong(oid, 'it has another hash')
  if (held) yield held
}

function wrong(oid: string, why: string): WritError {
  return new WritError('lfs_content_wrong', `${oid}: ${why}`)
}
