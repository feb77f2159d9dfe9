import { type JobEvent, LONGEST_EVENT, type OutputEvent } from './output-event.ts'

/** Content type of the frames below. Who accepts it gets them instead of server-sent events. */
export const FRAMES_TYPE = 'application/vnd.writ.frames'

const NEWLINE = 10
/** Output of which some is still to come. */
interface Begun {
  readonly offset: number
  readonly stream: OutputEvent['stream']
  readonly bytes: number
}

/** A header is far shorter; a longer one is somebody else's answer. */
const HEADER_BYTES = 4_096

/**
 * An event as a line of JSON and, for output, so many bytes behind it. Says the same as a server-sent event, without its base64: of much
 * output that was a third more on the wire, and most of the time spent on it.
 */
export function encodeFrame(event: JobEvent): Uint8Array[] {
  if (event.kind !== 'output') return [Buffer.from(`${JSON.stringify(event)}\n`)]
  const { kind, offset, stream, data } = event
  return [Buffer.from(`${JSON.stringify({ kind, offset, stream, bytes: data.byteLength })}\n`), data]
}

/**
 * Reads what `encodeFrame` wrote, in any pieces. Empty lines (which only say that somebody is there) and unknown kinds are skipped.
 */
export async function* decodeFrames(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<JobEvent> {
  let header: Buffer = Buffer.alloc(0)
  let output: Begun | null = null
  let gathered: Buffer[] = []
  for await (const piece of pieces) {
    for (let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength); rest.length > 0; ) {
      if (output) {
        const data = rest.subarray(0, output.bytes)
        rest = rest.subarray(data.length)
        const { offset, stream, bytes }: Begun = output
        output = bytes > data.length ? { offset, stream, bytes: bytes - data.length } : null
        gathered.push(data)
        if (output) continue
        yield { kind: 'output', offset, stream, data: gathered.length === 1 ? data : Buffer.concat(gathered) }
        gathered = []
        continue
      }
      const end = rest.indexOf(NEWLINE)
      header = Buffer.concat([header, end < 0 ? rest : rest.subarray(0, end)])
      if (header.length > HEADER_BYTES) throw new SyntaxError('not a stream of frames')
      if (end < 0) break
      rest = rest.subarray(end + 1)
      const event = header.length > 0 ? JSON.parse(header.toString()) : null
      header = Buffer.alloc(0)
      if (event?.bytes > LONGEST_EVENT && event.kind === 'output') throw new SyntaxError('not a stream of frames')
      if (event?.kind === 'output' && event.bytes > 0) output = event
      else if (event?.kind === 'cut' || event?.kind === 'end') yield event
    }
  }
}
