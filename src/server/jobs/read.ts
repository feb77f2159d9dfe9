import { isFinal, type JobAnswer } from '../../protocol/job.ts'
import { armored } from '../../protocol/sealed-output.ts'
import { wireTime } from '../../protocol/wire-time.ts'
import { findJob, type Job } from '../store/jobs.ts'
import { type Chunk, type OutputEnds, outputEnds } from '../store/output.ts'
import { type Caller, type JobPower, requirePower } from './caller.ts'
import type { Engine } from './engine.ts'

/** The job, if the caller may do this with it. Throws `job_not_found`, `not_permitted`. */
export async function requireJob(engine: Engine, caller: Caller, id: string, power: JobPower): Promise<Job> {
  return await requirePower(engine.vault, caller, await findJob(engine.db, id), power)
}

/** Stands in the text of an output where so many bytes are missing. */
export function cutMark(bytes: number): string {
  return `\n[writ: ${bytes} bytes are left out here]\n`
}

export async function readJob(engine: Engine, caller: Caller, id: string): Promise<JobAnswer> {
  const job = await requireJob(engine, caller, id, 'read')
  // output is there when the job has ended; who wants it earlier follows it
  if (!isFinal(job.status)) return answerOf(job, NOTHING)
  return answerOf(job, await shown(job, await outputEnds(engine.db, job, engine.settings.answerOutput)))
}

/** As much of a job's output as an answer holds, as text. */
export interface ShownOutput {
  readonly stdout: string
  readonly stderr: string
}

export const NOTHING: ShownOutput = { stdout: '', stderr: '' }

/**
 * Both streams as text, sealed ones as a row of armored age files. The mark of what is missing stands in each that has text: it may be
 * of either.
 */
export async function shown({ result_key }: Pick<Job, 'result_key'>, ends: OutputEnds): Promise<ShownOutput> {
  const join = async (chunks: readonly Chunk[]) => {
    if (result_key) return (await Promise.all(chunks.map(chunk => armored(chunk.data)))).join('')
    return Buffer.concat(chunks.map(chunk => chunk.data)).toString('utf8')
  }
  const text = async (stream: 'stdout' | 'stderr') => {
    const of = (chunks: readonly Chunk[]) => join(chunks.filter(chunk => chunk.stream === stream))
    const [begin, end] = [await of(ends.head), await of(ends.tail)]
    return ends.missing > 0 && begin + end !== '' ? begin + cutMark(ends.missing) + end : begin + end
  }
  return { stdout: await text('stdout'), stderr: await text('stderr') }
}

/** The job as clients see it (gostint.md §2.6). */
export function answerOf(job: Job, { stdout, stderr }: ShownOutput): JobAnswer {
  return {
    _id: job.id,
    status: job.status,
    node_uuid: job.node,
    qname: job.qname,
    container_image: job.image,
    submitted: wireTime(job.submitted_at),
    started: wireTime(job.started_at),
    ended: wireTime(job.ended_at),
    output: stdout || job.error_text,
    stderr,
    return_code: job.return_code,
    tty: job.tty,
    error_code: job.error_code,
    error_text: job.error_text,
    image_digest: job.image_digest,
    output_bytes: job.output_bytes,
    result_key: job.result_key,
    output_left_out: (job.tail_start ?? 0) - (job.head_end ?? 0),
    output_gap: job.output_gap,
    masked: job.masked,
    unmasked: job.unmasked,
    ...(job.origin ? { origin: { ...job.origin, signers: [...job.origin.signers] } } : {}),
  }
}
