/** Longest piece of a line that is held back until the line is whole. */
const PIECE = 64 * 1024
/** `2026-01-02T03:04:05.123456789Z `, or with an offset. */
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) /
const LONGEST_STAMP = 40
const NEWLINE = 10

/** Bytes of a log, and where they are in it. */
export interface LogPiece {
  readonly data: Buffer
  /** Of its first byte. */
  readonly position: number
}

/**
 * Takes a log with times apart. Kubernetes reads a log from a time on, and forgets its beginning when it is long, so a position cannot
 * count bytes: it is the nanosecond in which a line was written, counted from `base`, plus the bytes of the line before. A line takes
 * longer to write than a nanosecond for each byte, so positions grow, and are the same whenever the log is read again. With `base` a
 * hundred days ago at most, they are exact as numbers.
 */
export class LogLines {
  readonly #base: number
  /** What is before it was given out earlier. */
  readonly #from: number
  #held: Buffer = Buffer.alloc(0)
  /** Of the next byte of the line that was begun; null at the start of one. */
  #inLine: number | null = null
  #end = 0
  #known = false

  /** `base`: milliseconds since 1970, a whole second. */
  constructor(base: number, from: number) {
    this.#base = base
    this.#from = from
  }

  /** Whether anything came that was given out earlier: without it, what was between may be forgotten. */
  get known(): boolean {
    return this.#known
  }

  push(chunk: Buffer): LogPiece[] {
    this.#held = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    const pieces: LogPiece[] = []
    for (;;) {
      const newline = this.#held.indexOf(NEWLINE)
      if (newline >= 0) {
        this.#take(newline + 1, pieces)
        this.#inLine = null
      } else if (this.#held.length > PIECE) {
        const cut = characterStart(this.#held, PIECE)
        this.#take(cut, pieces)
      } else return pieces
    }
  }

  /** The rest of a log that has ended; of one that was only cut, it is read again. */
  end(): LogPiece[] {
    const pieces: LogPiece[] = []
    if (this.#held.length > 0) this.#take(this.#held.length, pieces)
    return pieces
  }

  #take(bytes: number, pieces: LogPiece[]): void {
    let data = this.#held.subarray(0, bytes)
    this.#held = this.#held.subarray(bytes)
    if (this.#inLine === null) {
      const stamp = STAMP.exec(data.subarray(0, LONGEST_STAMP).toString('latin1'))
      // the rest of a line whose beginning is too old to be read again: it was given out
      if (!stamp) return
      data = data.subarray(stamp[0].length)
      this.#inLine = Math.max(this.#end, this.#positionOf(stamp))
    }
    const position = this.#inLine
    this.#inLine = position + data.length
    this.#end = this.#inLine
    const known = Math.min(data.length, Math.max(0, this.#from - position))
    this.#known ||= known > 0
    if (known < data.length) pieces.push({ data: data.subarray(known), position: position + known })
  }

  #positionOf([, second = '', fraction = '', zone = '']: RegExpExecArray): number {
    const ms = Date.parse(`${second}${zone}`) - this.#base
    const position = ms * 1_000_000 + Number(fraction.padEnd(9, '0'))
    // The attack: the rest of a line whose beginning is forgotten begins with what its job wrote, a time that no column holds. The output could
    // not be stored then, and the job would never end
    return Number.isSafeInteger(position) ? Math.max(1, position) : 1
  }
}

/** The time to read again from for a position: earlier by what Kubernetes rounds away, and a little more. */
export function sinceOf(base: number, position: number): string {
  return new Date(base + Math.floor(position / 1e9) * 1_000 - 2_000).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The last byte at or before `at` that begins a character, if one of the last four does. */
function characterStart(bytes: Buffer, at: number): number {
  for (let start = at; start > at - 4; start -= 1) if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start
  return at
}
