import { randomBytes } from 'node:crypto'
import { closeSync, constants, existsSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { WritError } from '../../../protocol/errors.ts'

const MEMORY = '/dev/shm'

/**
 * A file that has no name: it lies in memory, is unlinked before anything is written to it, and ends with this process
 * at the latest, also by `kill -9`. Children of the same user open it by `path`, as often as they like. So git and ssh
 * get secrets without argv, environment or disk (ADR 19).
 */
export class MemoryFile implements Disposable {
  readonly path: string
  readonly #fd: number
  #open = true

  constructor(content: string) {
    // On a disk, what is unlinked can still be found.
    if (!existsSync(MEMORY)) throw new WritError('repository_unsupported', 'this machine has no /dev/shm')
    const name = `${MEMORY}/writ-${randomBytes(12).toString('hex')}`
    this.#fd = openSync(name, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW, 0o600)
    unlinkSync(name)
    const bytes = Buffer.from(content)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
    bytes.fill(0)
    this.path = `/proc/${process.pid}/fd/${this.#fd}`
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.#fd)
    this.#open = false
  }
}
