import { WritError } from '../../protocol/errors.ts'
import { isFinal } from '../../protocol/job.ts'
import type { JobEvent } from '../../protocol/output-event.ts'
import type { Engine } from './engine.ts'
import { openFeed } from './feed.ts'

/** A follower looks again after this long even if nobody wakes him. */
const LOOK_AGAIN_MS = 2_000

/**
 * The output of a job from byte `offset` on, live, then its end. Read from the database only, so a follower may be on any node,
 * and a slow one slows nobody: it is simply further behind, and if what it has not read yet is not kept, it is told how much that was.
 */
export async function* followJob(
  engine: Engine,
  jobId: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  const watch = engine.wakeups.watchJob(jobId, signal)
  const { feed, close } = openFeed(engine.db, jobId)
  let position = offset
  async function* stored(): AsyncGenerator<JobEvent> {
    while (!signal.aborted) {
      const page = await feed.page(position)
      if (page.length === 0) return
      for (const chunk of page) {
        if (chunk.start > position) {
          yield { kind: 'cut', offset: position, bytes: chunk.start - position }
          position = chunk.start
        }
        const data = chunk.data.subarray(position - chunk.start)
        if (data.byteLength === 0) continue
        yield { kind: 'output', offset: position, stream: chunk.stream, data }
        position += data.byteLength
      }
    }
  }
  try {
    while (!signal.aborted) {
      await watch.next(LOOK_AGAIN_MS)
      if (feed.knows(position)) yield* stored()
      // the state first: what was stored before the end is then seen by the reads that follow
      const job = await feed.state()
      if (!job) throw new WritError('job_not_found')
      if (position < job.output_bytes) yield* stored()
      if (isFinal(job.status)) {
        yield { kind: 'end', offset: position, status: job.status, returnCode: job.return_code }
        return
      }
    }
  } finally {
    watch.close()
    close()
  }
}
