import type { JobState } from '../../protocol/job.ts'
import type { Database } from '../store/database.ts'
import { countByStatus } from '../store/jobs.ts'

/** What is known stays so for this many times as long as it took to find out: at most a twentieth of the time is spent on counting. */
const REST = 20

const known = new WeakMap<Database, { counts: Promise<Map<JobState, number>>; until: number }>()

/**
 * Jobs in each state. Everybody may ask, without a token, and with a million records it takes a fifth of a second: whoever asks
 * in the meantime gets what was counted last.
 */
export async function countsOf(db: Database): Promise<Map<JobState, number>> {
  const last = known.get(db)
  if (last && performance.now() < last.until) return await last.counts
  const start = performance.now()
  const entry = { counts: countByStatus(db), until: Number.POSITIVE_INFINITY }
  known.set(db, entry)
  try {
    return await entry.counts
  } finally {
    const end = performance.now()
    entry.until = end + (end - start) * REST
    // an answer that did not come says nothing about the next one
    await entry.counts.catch(() => known.delete(db))
  }
}
