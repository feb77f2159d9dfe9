import { WritError } from '../../protocol/errors.ts'
import { isFinal, type JobAnswer } from '../../protocol/job.ts'
import { wireTime } from '../../protocol/wire-time.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { collectOutput } from '../store/output.ts'
import { type Caller, requirePower } from './caller.ts'
import type { Engine } from './engine.ts'

/** The job, if the caller may read it. Throws `job_not_found`, `not_permitted`. */
export async function requireReadable(engine: Engine, caller: Caller, id: string): Promise<Job> {
  const job = await findJob(engine.db, id)
  if (!job) throw new WritError('job_not_found')
  await requirePower(engine.vault, caller, job, 'read')
  return job
}

/** An answer is built in memory: whoever wants more output than this follows it. */
const ANSWER_BYTES = 4 * 1024 * 1024
const CUT = '\n[cut here: the rest is at /v1/api/job/{id}/output]\n'

export async function readJob(engine: Engine, caller: Caller, id: string): Promise<JobAnswer> {
  const job = await requireReadable(engine, caller, id)
  // output is there when the job has ended; who wants it earlier follows it
  if (!isFinal(job.status)) return answerOf(job, NOTHING)
  const [stdout, stderr] = await Promise.all([
    collectOutput(engine.db, id, 'stdout', ANSWER_BYTES),
    collectOutput(engine.db, id, 'stderr', ANSWER_BYTES),
  ])
  return answerOf(job, { stdout, stderr, cut: job.output_bytes > ANSWER_BYTES })
}

/** As much of a job's output as an answer holds. */
export interface ShownOutput {
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly cut: boolean
}

export const NOTHING: ShownOutput = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), cut: false }

/** The job as clients see it (gostint.md §2.6). */
export function answerOf(job: Job, { stdout, stderr, cut }: ShownOutput): JobAnswer {
  return {
    _id: job.id,
    status: job.status,
    node_uuid: job.node,
    qname: job.qname,
    container_image: job.image,
    submitted: wireTime(job.submitted_at),
    started: wireTime(job.started_at),
    ended: wireTime(job.ended_at),
    output: stdout.byteLength > 0 ? stdout.toString('utf8') + (cut ? CUT : '') : job.error_text,
    stderr: stderr.toString('utf8'),
    return_code: job.return_code,
    tty: job.tty,
    error_code: job.error_code,
    error_text: job.error_text,
    image_digest: job.image_digest,
    output_bytes: job.output_bytes,
    masked: job.masked,
  }
}
