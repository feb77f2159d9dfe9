import { isUtf8 } from 'node:buffer'

/** The engine's recovery copy cuts a line into records of this many bytes. */
const RECORD = 16_384
const NEWLINE = 10
const REPLACEMENT = Buffer.from('\ufffd')

/**
 * Turns the bytes of one live stream into the text that the engine's recovery copy (json-file) keeps of them. That copy
 * replaces each byte that is not UTF-8 by U+FFFD, record by record, so it also breaks a character that lies across the
 * end of a record. Doing the same to the live stream makes both the same bytes: a plain count of delivered bytes is
 * then an exact position in either. The alternative, handing on raw bytes with a position beside them, cannot be cut
 * exactly: two raw bytes of a character that is still to come have no position yet. Text that is UTF-8 already passes
 * uncopied.
 */
export class RecordedText {
  /** Bytes of the current record before `#held`. */
  #column = 0
  /** The start of a character whose rest has not come. */
  #held: Buffer = Buffer.alloc(0)

  /** What was given out of the record that is not full yet. */
  #open: Buffer[] = []

  get open(): Buffer {
    return Buffer.concat(this.#open)
  }

  push(chunk: Buffer): Buffer[] {
    const data = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    const pieces: Buffer[] = []
    let start = 0
    for (const end of this.#recordEnds(data)) {
      pieces.push(text(data.subarray(start, end)))
      start = end
    }
    const whole = data.length - unfinished(data.subarray(start))
    pieces.push(text(data.subarray(start, whole)))
    const recordStart = data.length - this.#column
    if (recordStart >= 0) this.#open = [text(data.subarray(recordStart, whole))]
    else this.#open.push(text(data.subarray(0, whole)))
    this.#held = Buffer.from(data.subarray(whole))
    this.#column -= this.#held.length
    return pieces.filter(piece => piece.length > 0)
  }

  /** What was held back and can be no character any more. */
  end(): Buffer[] {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    this.#column = 0
    return held.length > 0 ? [text(held)] : []
  }

  /**
   * Where full records end in `data`. The ends of lines need no look: no character spans them. Afterwards `#column`
   * counts up to the end of `data`.
   */
  #recordEnds(data: Buffer): number[] {
    const ends: number[] = []
    let start = 0
    let column = this.#column
    for (let full = RECORD - column; full <= data.length; full = start + RECORD - column) {
      const newline = full > start ? data.subarray(start, full).lastIndexOf(NEWLINE) : -1
      if (newline >= 0) {
        start += newline + 1
      } else {
        ends.push(full)
        start = full
      }
      column = 0
    }
    const newline = data.subarray(start).lastIndexOf(NEWLINE)
    this.#column = newline >= 0 ? data.length - start - newline - 1 : column + data.length - start
    return ends
  }
}

function text(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : replaced(bytes)
}

function replaced(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  let good = 0
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    if (length > 0) {
      at += length
    } else {
      pieces.push(bytes.subarray(good, at), REPLACEMENT)
      at += 1
      good = at
    }
  }
  pieces.push(bytes.subarray(good))
  return Buffer.concat(pieces)
}

/** Bytes of the character at `at`, 0 if there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const length = announced(bytes[at] ?? 0)
  if (length <= 1) return length
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0
}

function announced(lead: number): number {
  if (lead < 0x80) return 1
  if (lead < 0xc2) return 0
  if (lead < 0xe0) return 2
  if (lead < 0xf0) return 3
  return lead < 0xf5 ? 4 : 0
}

/** How many bytes at the end are the start of a character that more bytes may complete. */
function unfinished(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const lead = bytes[bytes.length - length] ?? 0
    if (lead < 0x80) return 0
    if (lead >= 0xc0) return announced(lead) > length ? length : 0
  }
  return 0
}
