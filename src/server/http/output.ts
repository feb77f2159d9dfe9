import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { type ErrorCode, WritError } from '../../protocol/errors.ts'
import { parseJobId } from '../../protocol/job-id.ts'
import { encodeEvent, type JobEvent } from '../../protocol/output-event.ts'
import { encodeFrame, FRAMES_TYPE } from '../../protocol/output-frames.ts'
import type { Engine } from '../jobs/engine.ts'
import { followJob } from '../jobs/follow.ts'
import { cutMark, requireJob } from '../jobs/read.ts'
import { callerOf } from './auth.ts'
import { describeRoute, IdParam } from './describe.ts'
import { withHeartbeat } from './heartbeat.ts'

const OutputQuery = Type.Object({
  offset: Type.Optional(Type.Integer({ minimum: 0, description: 'Bytes of both streams to leave out; default 0.' })),
  stream: Type.Optional(
    Type.Enum(['stdout', 'stderr', 'both', 'system'], { description: 'Bytes of this alone, no events.' }),
  ),
})

const OUTPUT_ERRORS: readonly ErrorCode[] = [
  'job_id_invalid',
  'job_not_found',
  'not_permitted',
  'store_unavailable',
  'query_invalid',
]

/** `GET /:id/output`: the output of a job, live, in one of three forms. */
export function outputRoute(app: FastifyInstance, engine: Engine): void {
  // an open stream would hold up the end of the server for ever
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  const output = describeRoute({
    summary: 'The output of a job, live, until it ends',
    description: 'Server-sent events `output`, `cut` and `end`, or with `stream` the bytes alone. See docs/api.md.',
    params: IdParam,
    query: OutputQuery,
    answer: {
      'text/event-stream': Type.String(),
      [FRAMES_TYPE]: Type.String({ contentEncoding: 'binary' }),
      'application/octet-stream': Type.String({ contentEncoding: 'binary' }),
    },
    errors: OUTPUT_ERRORS,
  })
  // no HEAD: it would follow the job to its end, for nothing
  app.get<{ Params: { id: string } }>(
    '/:id/output',
    { schema: output, exposeHeadRoute: false },
    async (request, reply) => {
      const id = parseJobId(request.params.id)
      const offset = offsetOf(request)
      const wanted = wantedStreams(request)
      await requireJob(engine, callerOf(request), id, 'read')
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      const events = followJob(engine, id, offset, AbortSignal.any([gone.signal, closing.signal]))
      const { type, pieces } = formOf(request, events, wanted)
      // who reads nothing any more would hold his place for ever; a reader, however slow, takes something in this time
      reply.raw.setTimeout(STALLED_MS, () => reply.raw.destroy())
      reply
        .type(type)
        .header('cache-control', 'no-store')
        // nginx would collect the stream in its buffers and deliver it at the end
        .header('x-accel-buffering', 'no')
      return reply.send(Readable.from(pieces, { objectMode: false, highWaterMark: BUFFERED_BYTES }))
    },
  )
}

interface Form {
  readonly type: string
  readonly pieces: AsyncIterable<string | Uint8Array>
}

function formOf(request: FastifyRequest, events: AsyncIterable<JobEvent>, wanted: readonly string[] | null): Form {
  if (wanted) return { type: 'application/octet-stream', pieces: rawOutput(events, wanted) }
  if (request.headers.accept?.includes(FRAMES_TYPE)) {
    return { type: FRAMES_TYPE, pieces: withHeartbeat(encodeFrames(events), '\n', BEAT_MS) }
  }
  return { type: 'text/event-stream; charset=utf-8', pieces: withHeartbeat(encodeEvents(events), BEAT, BEAT_MS) }
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

/** A comment of the event stream, which clients skip. */
const BEAT = ': still following\n\n'
const BEAT_MS = 15_000
/** Four beats. */
const STALLED_MS = 60_000
/** What a follower who does not read holds in memory, beside the page that he is at. */
const BUFFERED_BYTES = 64 * 1024

async function* encodeFrames(events: AsyncIterable<JobEvent>): AsyncGenerator<string | Uint8Array> {
  yield '\n'
  for await (const event of events) yield* encodeFrame(event)
}

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
