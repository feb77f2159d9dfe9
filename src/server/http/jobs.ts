import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { JobAnswer, JobList, KillAnswer, ListQuery, Submission, SubmitAnswer } from '../../protocol/job.ts'
import { parseJobId } from '../../protocol/job-id.ts'
import type { Engine } from '../jobs/engine.ts'
import type { Intake } from '../jobs/intake.ts'
import { killJob, removeJob } from '../jobs/kill.ts'
import { listVisibleJobs } from '../jobs/list.ts'
import { readJob } from '../jobs/read.ts'
import { SUBMIT_ERRORS, submitJob } from '../jobs/submit.ts'
import { callerOf, requireCaller } from './auth.ts'
import { describeRoute, IdParam } from './describe.ts'
import { outputRoute } from './output.ts'
import { readQuery } from './query.ts'

const JOB_ERRORS: readonly ErrorCode[] = ['job_id_invalid', 'job_not_found', 'not_permitted', 'store_unavailable']

const SubmitHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description: 'A repetition with the same key and body gets the first answer, as long as the job is on record.',
    }),
  ),
})

interface IdParams {
  Params: { id: string }
}

/** `/v1/api/job` (gostint.md §2.4 to 2.9), and the live output of a job. */
export function jobRoutes(app: FastifyInstance, engine: Engine, intake?: Intake): void {
  app.addHook('onRequest', requireCaller(engine))

  const submit = describeRoute({
    summary: 'Submit a job, directly or sealed',
    description:
      'Direct: the job and `wrap_secret_id`. Sealed: `qname`, `cubby_token`, `cubby_path` (or `payload`) and `wrap_secret_id`; other fields are ignored and named in `ignored_fields`.',
    headers: SubmitHeaders,
    body: Submission,
    answer: SubmitAnswer,
    errors: SUBMIT_ERRORS,
  })
  app.post('', { schema: submit }, async request => {
    if (request.body === undefined) throw new WritError('body_empty')
    const key = request.headers['idempotency-key'] as string | undefined
    const answer = await submitJob(engine, callerOf(request), request.body, { key, intake })
    request.submitted = answer._id
    return answer
  })

  const list = describeRoute({
    summary: 'The jobs that you may read, newest first',
    query: ListQuery,
    answer: JobList,
    errors: ['query_invalid', 'store_unavailable'],
  })
  app.get('', { schema: list }, async request => {
    const { skip, ...rest } = request.query as { skip?: string }
    const query = readQuery(ListQuery, { ...rest, skip: String(lenient(skip)) })
    return await listVisibleJobs(engine, callerOf(request), query)
  })

  const one = describeRoute({
    summary: 'One job, as it stands now',
    params: IdParam,
    answer: JobAnswer,
    errors: JOB_ERRORS,
  })
  app.get<IdParams>('/:id', { schema: one }, async request => {
    return await readJob(engine, callerOf(request), parseJobId(request.params.id))
  })

  const remove = describeRoute({
    summary: 'Remove an ended job, or cancel one that waits',
    params: IdParam,
    answer: Type.Object({ _id: Type.String({ description: 'As in the path.' }) }),
    errors: [...JOB_ERRORS, 'job_running', 'server_sealed'],
  })
  app.delete<IdParams>('/:id', { schema: remove, config: { ignoresBody: true } }, async request => {
    await removeJob(engine, callerOf(request), parseJobId(request.params.id))
    return { _id: request.params.id }
  })

  const kill = describeRoute({
    summary: 'Ask for a job to be stopped',
    params: IdParam,
    answer: KillAnswer,
    errors: JOB_ERRORS,
  })
  app.post<IdParams>('/kill/:id', { schema: kill, config: { ignoresBody: true } }, async request => {
    return await killJob(engine, callerOf(request), parseJobId(request.params.id))
  })

  outputRoute(app, engine)
}

/** Of several the first, as GoStint takes it, and 0 for what is no number (gostint.md §2.7). */
function lenient(skip: unknown): number {
  const text = String([skip].flat()[0])
  return /^\+?\d{1,15}$/.test(text) ? Math.min(MOST_SKIPPED, Number(text)) : 0
}

/** The attack: to skip rows the database has to read them. Whoever wants to go further uses a cursor. */
const MOST_SKIPPED = 100_000
