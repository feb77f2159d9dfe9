import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { JobAnswer, JobList, KillAnswer, ListQuery, Submission, SubmitAnswer } from '../../protocol/job.ts'
import { parseJobId } from '../../protocol/job-id.ts'
import { encodeEvent, type JobEvent } from '../../protocol/output-event.ts'
import type { Engine } from '../jobs/engine.ts'
import { followJob } from '../jobs/follow.ts'
import { killJob, removeJob } from '../jobs/kill.ts'
import { listVisibleJobs } from '../jobs/list.ts'
import { cutMark, readJob, requireJob } from '../jobs/read.ts'
import { SUBMIT_ERRORS, submitJob } from '../jobs/submit.ts'
import { callerOf, requireCaller } from './auth.ts'
import { describeRoute, IdParam } from './describe.ts'
import { withHeartbeat } from './heartbeat.ts'
import { readQuery } from './query.ts'

const JOB_ERRORS: readonly ErrorCode[] = ['job_id_invalid', 'job_not_found', 'not_permitted', 'store_unavailable']

const SubmitHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description: 'A repetition with the same key and body gets the first answer, as long as the job is on record.',
    }),
  ),
})

const OutputQuery = Type.Object({
  offset: Type.Optional(Type.Integer({ minimum: 0, description: 'Bytes of both streams to leave out; default 0.' })),
  stream: Type.Optional(Type.Enum(['stdout', 'stderr', 'both'], { description: 'Bytes of this alone, no events.' })),
})

interface IdParams {
  Params: { id: string }
}

/** `/v1/api/job` (gostint.md §2.4 to 2.9), and the live output of a job. */
export function jobRoutes(app: FastifyInstance, engine: Engine): void {
  app.addHook('onRequest', requireCaller(engine))

  // an open stream would hold up the end of the server for ever
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

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
    const key = request.headers['idempotency-key'] as string | undefined
    const answer = await submitJob(engine, callerOf(request), request.body, { key })
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
  app.delete<IdParams>('/:id', { schema: remove }, async request => {
    await removeJob(engine, callerOf(request), parseJobId(request.params.id))
    return { _id: request.params.id }
  })

  const kill = describeRoute({
    summary: 'Ask for a job to be stopped',
    params: IdParam,
    answer: KillAnswer,
    errors: JOB_ERRORS,
  })
  app.post<IdParams>('/kill/:id', { schema: kill }, async request => {
    return await killJob(engine, callerOf(request), parseJobId(request.params.id))
  })

  const output = describeRoute({
    summary: 'The output of a job, live, until it ends',
    description: 'Server-sent events `output`, `cut` and `end`, or with `stream` the bytes alone. See docs/api.md.',
    params: IdParam,
    query: OutputQuery,
    answer: {
      'text/event-stream': Type.String(),
      'application/octet-stream': Type.String({ contentEncoding: 'binary' }),
    },
    errors: [...JOB_ERRORS, 'query_invalid'],
  })
  // no HEAD: it would follow the job to its end, for nothing
  app.get<IdParams>('/:id/output', { schema: output, exposeHeadRoute: false }, async (request, reply) => {
    const id = parseJobId(request.params.id)
    const offset = offsetOf(request)
    const wanted = wantedStreams(request)
    await requireJob(engine, callerOf(request), id, 'read')
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const events = followJob(engine, id, offset, AbortSignal.any([gone.signal, closing.signal]))
    const body = wanted ? rawOutput(events, wanted) : withHeartbeat(encodeEvents(events), BEAT, BEAT_MS)
    reply
      .type(wanted ? 'application/octet-stream' : 'text/event-stream; charset=utf-8')
      // a browser must not take somebody's output for a page of ours
      .header('x-content-type-options', 'nosniff')
      .header('cache-control', 'no-store')
      // nginx would collect the stream in its buffers and deliver it at the end
      .header('x-accel-buffering', 'no')
    return reply.send(Readable.from(body, { objectMode: false }))
  })
}

/** The bytes of some streams and nothing else, until the job ends. */
async function* rawOutput(events: AsyncIterable<JobEvent>, wanted: readonly string[]): AsyncGenerator<Uint8Array> {
  for await (const event of events) {
    if (event.kind === 'output' && wanted.includes(event.stream)) yield event.data
    if (event.kind === 'cut') yield Buffer.from(cutMark(event.bytes))
  }
}

const STREAMS: Record<string, readonly string[]> = {
  stdout: ['stdout'],
  stderr: ['stderr'],
  both: ['stdout', 'stderr'],
  system: ['system'],
}

/** `?stream=`: which bytes, or null for events. */
function wantedStreams(request: FastifyRequest): readonly string[] | null {
  const { stream } = request.query as { stream?: unknown }
  if (stream === undefined) return null
  const wanted = typeof stream === 'string' && Object.hasOwn(STREAMS, stream) ? STREAMS[stream] : undefined
  if (!wanted) throw new WritError('query_invalid', 'stream is stdout, stderr, both or system')
  return wanted
}

/** GoStint takes what is no number for 0 (gostint.md §2.7). */
function lenient(skip: unknown): number {
  return Math.min(MOST_SKIPPED, Math.max(0, Number.parseInt(String(skip), 10) || 0))
}

/** The attack: to skip rows the database has to read them. Whoever wants to go further uses a cursor. */
const MOST_SKIPPED = 100_000

/** A comment of the event stream, which clients skip. */
const BEAT = ': still following\n\n'
const BEAT_MS = 15_000

async function* encodeEvents(events: AsyncIterable<JobEvent>): AsyncGenerator<string> {
  // something at once, so that the client knows that it is connected while the job still waits
  yield ': following\n\n'
  for await (const event of events) yield encodeEvent(event)
}

/** Where to go on: `?offset=`, or the last event's id of a client that reconnects. */
function offsetOf(request: FastifyRequest): number {
  const { offset } = request.query as { offset?: string }
  const text = offset ?? (request.headers['last-event-id'] as string | undefined) ?? '0'
  if (!/^\d{1,15}$/.test(text)) throw new WritError('query_invalid', 'offset is a number of bytes from 0 on')
  return Number(text)
}
