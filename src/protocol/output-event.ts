/** One piece of a job's output on its way to a follower. `offset` counts bytes of both streams in the order they were stored. */
export interface OutputEvent {
  readonly kind: 'output'
  readonly offset: number
  /** `system`: not the job, but the server says it: lines about the pull of its image. */
  readonly stream: 'stdout' | 'stderr' | 'system'
  readonly data: Uint8Array
  /** Of output that was sealed and is open now: how many bytes are stored for it. */
  readonly sealedBytes?: number
}

/** Here `bytes` of the output are missing: there was more than is kept, or than a slow follower kept up with. */
export interface CutEvent {
  readonly kind: 'cut'
  readonly offset: number
  readonly bytes: number
}

/** The last event of a followed job: nothing comes after it. */
export interface EndEvent {
  readonly kind: 'end'
  readonly offset: number
  readonly status: string
  readonly returnCode: number
}

export type JobEvent = OutputEvent | CutEvent | EndEvent

/** Where to go on after it. */
export function offsetBehind(event: JobEvent): number {
  if (event.kind === 'output') return event.offset + (event.sealedBytes ?? event.data.byteLength)
  return event.kind === 'cut' ? event.offset + event.bytes : event.offset
}

/**
 * A server-sent event. Its `id` is the offset behind it, so that a client that reconnects with `Last-Event-ID` misses and
 * repeats nothing. Output is base64: it need not be text, and a line end in it must not end the event.
 */
export function encodeEvent(event: JobEvent): string {
  if (event.kind === 'output') {
    const data = JSON.stringify({
      offset: event.offset,
      stream: event.stream,
      data: Buffer.from(event.data).toString('base64'),
    })
    return `id: ${offsetBehind(event)}\nevent: output\ndata: ${data}\n\n`
  }
  if (event.kind === 'cut') {
    const data = JSON.stringify({ offset: event.offset, bytes: event.bytes })
    return `id: ${offsetBehind(event)}\nevent: cut\ndata: ${data}\n\n`
  }
  const data = JSON.stringify({ offset: event.offset, status: event.status, return_code: event.returnCode })
  return `id: ${event.offset}\nevent: end\ndata: ${data}\n\n`
}

/** No piece of output is a hundredth of it: what is longer is somebody else's answer, and would fill the memory. */
export const LONGEST_EVENT = 32 * 1024 * 1024

/** Reads what `encodeEvent` wrote: bytes of a stream in any pieces in, events out. Comments and unknown events are skipped. Throws `SyntaxError`. */
export async function* decodeEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<JobEvent> {
  const decoder = new TextDecoder()
  // pieces are joined when an event is complete: looking through all of it again with each piece takes the square of its length
  let pieces: string[] = []
  let length = 0
  let last = ''
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true })
    pieces.push(text)
    length += text.length
    if (length > LONGEST_EVENT) throw new SyntaxError('not a stream of events')
    if (!(last + text).includes('\n\n')) {
      last = text.at(-1) ?? last
      continue
    }
    let rest = pieces.join('')
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = decodeEvent(rest.slice(0, end))
      rest = rest.slice(end + 2)
      if (event) yield event
    }
    pieces = [rest]
    length = rest.length
    last = rest.at(-1) ?? ''
  }
}

function decodeEvent(block: string): JobEvent | null {
  const fields = new Map(
    block.split('\n').map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trimStart()] as const
    }),
  )
  const name = fields.get('event')
  if (name !== 'output' && name !== 'cut' && name !== 'end') return null
  const data = JSON.parse(fields.get('data') ?? '{}')
  if (name === 'cut') return { kind: 'cut', offset: data.offset, bytes: data.bytes }
  return name === 'output'
    ? { kind: 'output', offset: data.offset, stream: data.stream, data: Buffer.from(data.data, 'base64') }
    : { kind: 'end', offset: data.offset, status: data.status, returnCode: data.return_code }
}
