import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { removeIdle } from './repository/cache.ts'

/** A submodule that a branch comes back to within it is not fetched again. */
const IDLE_MS = 7 * 24 * 3_600_000

/**
 * Removes what watches that are gone have kept for themselves, and what the others have not used for long; answers how much of it. The
 * watches are asked for after the folder was read: one that was made meanwhile keeps its own.
 */
export async function tidyOwn(parent: string, watchIds: () => Promise<readonly string[]>): Promise<number> {
  const names = await readdir(parent).catch(() => [])
  if (names.length === 0) return 0
  const wanted = new Set(await watchIds())
  let removed = 0
  for (const name of names) {
    const directory = join(parent, name)
    if (wanted.has(name)) removed += await removeIdle(directory, IDLE_MS)
    else {
      await rm(directory, { recursive: true, force: true })
      removed += 1
    }
  }
  return removed
}
