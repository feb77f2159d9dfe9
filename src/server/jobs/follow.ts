import { WritError } from '../../protocol/errors.ts'
import { isFinal } from '../../protocol/job.ts'
import type { JobEvent } from '../../protocol/output-event.ts'
import { findJob } from '../store/jobs.ts'
import { readOutput } from '../store/output.ts'
import type { Engine } from './engine.ts'

/** How many chunks are read at once: what one follower holds in memory. */
const PAGE = 32
/** A follower looks again after this long even if nobody wakes him. */
const LOOK_AGAIN_MS = 2_000

/**
 * The output of a job from byte `offset` on, live, then its end. Read from the database only, so a follower may be on any node,
 * and a slow one slows nobody: it is simply further behind.
 */
export async function* followJob(
  engine: Engine,
  jobId: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  const watch = engine.wakeups.watchJob(jobId, signal)
  let position = offset
  try {
    while (!signal.aborted) {
      await watch.next(LOOK_AGAIN_MS)
      // the state first: what was stored before the end is then seen by the reads that follow
      const job = await findJob(engine.db, jobId)
      if (!job) throw new WritError('job_not_found')
      for (;;) {
        const page = await readOutput(engine.db, jobId, position, PAGE)
        for (const chunk of page) {
          const data = chunk.data.subarray(Math.max(0, position - chunk.start))
          if (data.byteLength === 0) continue
          const start = chunk.start + chunk.data.byteLength - data.byteLength
          yield { kind: 'output', offset: start, stream: chunk.stream, data }
          position = start + data.byteLength
        }
        if (page.length < PAGE || signal.aborted) break
      }
      if (isFinal(job.status)) {
        yield { kind: 'end', offset: position, status: job.status, returnCode: job.return_code }
        return
      }
    }
  } finally {
    watch.close()
  }
}
