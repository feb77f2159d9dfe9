import { randomBytes } from 'node:crypto'
import { rename, rm, stat } from 'node:fs/promises'

/**
 * Makes a folder appear whole or not at all: `make` fills a folder of another name, which is then renamed. Two processes may do
 * this at once, and either may be killed at any point: the first rename wins, the other's work is thrown away. (The
 * alternative, a lock file, must be told apart from the lock file of a dead process, and that is what races.)
 */
export async function appear(target: string, make: (unfinished: string) => Promise<void>): Promise<void> {
  if (await stat(target).catch(() => undefined)) return
  const unfinished = `${target}.new-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await make(unfinished)
    await rename(unfinished, target)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    if (!(await stat(target).catch(() => undefined))) throw error
  }
}
