import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { WritError } from '../../protocol/errors.ts'
import { JobAnswer, JobList, KillAnswer, ListQuery, SubmitAnswer } from '../../protocol/job.ts'
import { parseJobId } from '../../protocol/job-id.ts'
import { encodeEvent, type JobEvent } from '../../protocol/output-event.ts'
import type { Engine } from '../jobs/engine.ts'
import { followJob } from '../jobs/follow.ts'
import { killJob, removeJob } from '../jobs/kill.ts'
import { listVisibleJobs } from '../jobs/list.ts'
import { readJob, requireReadable } from '../jobs/read.ts'
import { submitJob } from '../jobs/submit.ts'
import { callerOf, requireCaller } from './auth.ts'
import { withHeartbeat } from './heartbeat.ts'
import { readQuery } from './query.ts'

interface IdParams {
  Params: { id: string }
}

/** `/v1/api/job` (gostint.md §2.4 to 2.9), and the live output of a job. */
export function jobRoutes(app: FastifyInstance, engine: Engine): void {
  app.addHook('onRequest', requireCaller(engine))

  // an open stream would hold up the end of the server for ever
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  app.post('/', { schema: { response: { 200: SubmitAnswer } } }, async request => {
    return await submitJob(engine, callerOf(request), request.body)
  })

  app.get('/', { schema: { response: { 200: JobList } } }, async request => {
    const { skip, ...rest } = request.query as { skip?: string }
    const query = readQuery(ListQuery, { ...rest, skip: String(lenient(skip)) })
    return await listVisibleJobs(engine, callerOf(request), query)
  })

  app.get<IdParams>('/:id', { schema: { response: { 200: JobAnswer } } }, async request => {
    return await readJob(engine, callerOf(request), parseJobId(request.params.id))
  })

  app.delete<IdParams>(
    '/:id',
    { schema: { response: { 200: Type.Object({ _id: Type.String() }) } } },
    async request => {
      await removeJob(engine, callerOf(request), parseJobId(request.params.id))
      return { _id: request.params.id }
    },
  )

  app.post<IdParams>('/kill/:id', { schema: { response: { 200: KillAnswer } } }, async request => {
    return await killJob(engine, callerOf(request), parseJobId(request.params.id))
  })

  app.get<IdParams>('/:id/output', async (request, reply) => {
    const id = parseJobId(request.params.id)
    const offset = offsetOf(request)
    const wanted = wantedStreams(request)
    await requireReadable(engine, callerOf(request), id)
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
  for await (const event of events) if (event.kind === 'output' && wanted.includes(event.stream)) yield event.data
}

const STREAMS: Record<string, readonly string[]> = {
  stdout: ['stdout'],
  stderr: ['stderr'],
  both: ['stdout', 'stderr'],
}

/** `?stream=`: which bytes, or null for events. */
function wantedStreams(request: FastifyRequest): readonly string[] | null {
  const { stream } = request.query as { stream?: unknown }
  if (stream === undefined) return null
  const wanted = typeof stream === 'string' && Object.hasOwn(STREAMS, stream) ? STREAMS[stream] : undefined
  if (!wanted) throw new WritError('query_invalid', 'stream is stdout, stderr or both')
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
