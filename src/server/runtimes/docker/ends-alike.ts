import type { OutputStream } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { FrameParser } from './frames.ts'

/** Of the copy's last records this many are read: 2 ms, whatever its size. */
const RECORDS = 256

/** What was given of a stream, in the form of the recovery copy. */
export interface Given {
  readonly bytes: number
  /** At least the last 64 KiB of it, or all. */
  readonly tail: Buffer
}

/**
 * Whether the output that was given ends as the recovery copy of the ended container does, so that nothing is missing at its end. A full
 * comparison reads the whole copy, which takes seconds for each 100 MB. An end that repeats itself proves nothing: then the answer is no.
 */
export async function endsAlike(
  engine: Engine,
  container: { readonly id: string; readonly tty: boolean },
  given: Readonly<Record<OutputStream, Given>>,
  signal?: AbortSignal,
): Promise<boolean> {
  const query = { stdout: 1, stderr: 1, tail: RECORDS }
  const { body } = await engine.stream('GET', `/containers/${container.id}/logs`, { query, signal })
  const parser = new FrameParser()
  const got: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] }
  for await (const chunk of body) {
    if (container.tty) got.stdout.push(chunk)
    else for (const { stream, data } of parser.push(chunk)) got[stream].push(Buffer.from(data))
  }
  const ends = (['stdout', 'stderr'] as const).map(stream => sameEnd(Buffer.concat(got[stream]), given[stream]))
  return ends.some(same => same === true) && !ends.includes(false)
}

/** Null: nothing of this stream is in the end of the copy. */
function sameEnd(copy: Buffer, { bytes, tail }: Given): boolean | null {
  if (copy.length === 0) return null
  if (copy.length > bytes) return false
  const end = copy.subarray(-Math.min(copy.length, tail.length))
  return tail.subarray(-end.length).equals(end) && !repeats(end)
}

/** Whether it is one thing again and again, so that more or less of it would look the same. */
export function repeats(text: Buffer): boolean {
  // the length of the longest beginning of `text` that is also its end, of each of its beginnings (Knuth, Morris, Pratt)
  const border = new Int32Array(text.length + 1)
  let length = 0
  for (let at = 1; at < text.length; at++) {
    while (length > 0 && text[at] !== text[length]) length = border[length] as number
    if (text[at] === text[length]) length += 1
    border[at + 1] = length
  }
  return length >= text.length / 2
}
