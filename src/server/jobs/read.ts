import { WritError } from '../../protocol/errors.ts'
import { isFinal, type JobAnswer, type JobList } from '../../protocol/job.ts'
import { wireTime } from '../../protocol/wire-time.ts'
import { capabilities } from '../../vault/capabilities.ts'
import { distinctQueues, findJob, type Job, listJobs } from '../store/jobs.ts'
import { collectOutput } from '../store/output.ts'
import { asUnavailable, type Caller, queuePath, requirePower } from './caller.ts'
import type { Engine } from './engine.ts'

/** The job, if the caller may read it. Throws `job_not_found`, `not_permitted`. */
export async function requireReadable(engine: Engine, caller: Caller, id: string): Promise<Job> {
  const job = await findJob(engine.db, id)
  if (!job) throw new WritError('job_not_found')
  await requirePower(engine.vault, caller, job, 'read')
  return job
}

export async function readJob(engine: Engine, caller: Caller, id: string): Promise<JobAnswer> {
  return await answerOf(engine, await requireReadable(engine, caller, id))
}

/** GoStint's page size, which its clients count on (gostint.md §2.7). */
const PAGE = 10

/** One page of the jobs that the caller may read, newest first. */
export async function listVisibleJobs(engine: Engine, caller: Caller, skip: number): Promise<JobList> {
  const qnames = await readableQueues(engine, caller)
  const filter = { qnames, entity: caller.entity, accessorHash: caller.accessorHash }
  const { jobs, total } = await listJobs(engine.db, filter, { skip, limit: PAGE })
  return { data: await Promise.all(jobs.map(job => answerOf(engine, job))), skip, limit: PAGE, total }
}

async function readableQueues(engine: Engine, caller: Caller): Promise<string[]> {
  const qnames = await distinctQueues(engine.db)
  try {
    const granted = await capabilities(engine.vault, caller.token, qnames.map(queuePath))
    return qnames.filter((_, index) => granted[index]?.some(power => power === 'read' || power === 'root'))
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** An answer is built in memory, a list has ten of them: whoever wants more output than this follows it. */
const ANSWER_BYTES = 4 * 1024 * 1024
const CUT = '\n[cut here: the rest is at /v1/api/job/{id}/output]\n'

/** The job as clients see it (gostint.md §2.6). Output is there when the job has ended; who wants it earlier follows it. */
async function answerOf(engine: Engine, job: Job): Promise<JobAnswer> {
  const ended = isFinal(job.status)
  const [stdout, stderr] = ended
    ? await Promise.all([
        collectOutput(engine.db, job.id, 'stdout', ANSWER_BYTES),
        collectOutput(engine.db, job.id, 'stderr', ANSWER_BYTES),
      ])
    : [Buffer.alloc(0), Buffer.alloc(0)]
  return {
    _id: job.id,
    status: job.status,
    node_uuid: job.node,
    qname: job.qname,
    container_image: job.image,
    submitted: wireTime(job.submitted_at),
    started: wireTime(job.started_at),
    ended: wireTime(job.ended_at),
    output:
      stdout.byteLength > 0 ? stdout.toString('utf8') + (job.output_bytes > ANSWER_BYTES ? CUT : '') : job.error_text,
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
