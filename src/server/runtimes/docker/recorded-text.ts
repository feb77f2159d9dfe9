import { isUtf8 } from 'node:buffer'
import type { CopySize } from './copy-size.ts'

/** The engine's recovery copy cuts a line into records of this many bytes. */
const RECORD = 16_384
const NEWLINE = 10
const REPLACEMENT = Buffer.from('\ufffd')

/**
 * How much of the end is kept to compare with the recovery copy: the engine holds back a write to a live stream or to the copy when the other one
 * is a megabyte behind.
 */
const TAIL = 1_280 * 1024
const BLOCK = 64 * 1024

export interface Piece {
  /** As it came. */
  readonly data: Buffer
  /** How many bytes the recovery copy has for the first `bytes` of `data`; absent where it has the same. */
  readonly advance?: (bytes: number) => number
}

/**
 * Knows for the bytes of one live stream what the engine's recovery copy (json-file) keeps of them. That copy replaces each
 * byte that is not UTF-8 by U+FFFD, record by record, so it also breaks a character that lies across the end of a record.
 * The live bytes pass unchanged; their positions are counted in the copy, because a cursor must hold for both. A piece
 * never ends inside a character: two bytes of one that is still to come have no position in the copy yet.
 */
export class RecordedText {
  /** Bytes of the current record before `#held`. */
  #column = 0
  /** The start of a character whose rest has not come. */
  #held: Buffer = Buffer.alloc(0)
  /** The end of what was given out, as the copy has it. Copied: a view of a few bytes would keep all that came with them. */
  #blocks: Buffer[] = []
  #lastUsed = BLOCK
  readonly #exact: boolean
  readonly #size: CopySize | undefined

  /** `exact`: the copy has the bytes as they came, and of a record that was begun too (Podman). `size`: counts what it takes. */
  constructor({ exact = false, size }: { exact?: boolean; size?: CopySize } = {}) {
    this.#exact = exact
    this.#size = size
  }

  /** The end of what was given out, as the copy has it: all, or more than a megabyte. */
  get tail(): Buffer {
    return Buffer.concat(
      this.#blocks.map((block, i) => (i < this.#blocks.length - 1 ? block : block.subarray(0, this.#lastUsed))),
    )
  }

  push(chunk: Buffer): Piece[] {
    if (this.#exact) return this.#given([chunk])
    const data = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    const pieces: Buffer[] = []
    let start = 0
    for (const end of this.#recordEnds(data)) {
      pieces.push(data.subarray(start, end))
      start = end
    }
    const whole = data.length - unfinished(data.subarray(start))
    pieces.push(data.subarray(start, whole))
    this.#held = Buffer.from(data.subarray(whole))
    this.#column -= this.#held.length
    return this.#given(pieces)
  }

  /** What was held back, and what the copy has for it if nothing followed. */
  get held(): { data: Buffer; copy: Buffer } {
    return { data: this.#held, copy: recorded(this.#held) }
  }

  /** What was held back and can be no character any more. */
  end(): Piece[] {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    this.#column = 0
    return this.#given([held])
  }

  #given(pieces: Buffer[]): Piece[] {
    const given = pieces.filter(piece => piece.length > 0)
    for (const piece of given) {
      const copy = this.#exact ? piece : recorded(piece)
      this.#size?.given(copy, this.#exact)
      this.#keep(copy)
    }
    return given.map(data =>
      this.#exact || isUtf8(data) ? { data } : { data, advance: bytes => recordedLength(data.subarray(0, bytes)) },
    )
  }

  #keep(copy: Buffer): void {
    for (let at = 0; at < copy.length; ) {
      if (this.#lastUsed === BLOCK) {
        const oldest = this.#blocks.length * BLOCK > TAIL ? this.#blocks.shift() : undefined
        this.#blocks.push(oldest ?? Buffer.allocUnsafeSlow(BLOCK))
        this.#lastUsed = 0
      }
      const written = copy.copy(this.#blocks.at(-1) as Buffer, this.#lastUsed, at)
      this.#lastUsed += written
      at += written
    }
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

function recorded(bytes: Buffer): Buffer {
  if (isUtf8(bytes)) return bytes
  const copy = Buffer.alloc(bytes.length * REPLACEMENT.length)
  let end = 0
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    end += length > 0 ? bytes.copy(copy, end, at, at + length) : REPLACEMENT.copy(copy, end)
    at += length || 1
  }
  return copy.subarray(0, end)
}

function recordedLength(bytes: Buffer): number {
  if (isUtf8(bytes)) return bytes.length
  let replaced = 0
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    if (length === 0) replaced += 1
    at += length || 1
  }
  return bytes.length + replaced * (REPLACEMENT.length - 1)
}

/** Bytes of the character at `at`, 0 if there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const length = announced(bytes[at] ?? 0)
  if (length <= 1) return length
  // the usual case of bytes that are no text, without the call below, which costs 100 ns
  if (((bytes[at + 1] ?? 0) & 0xc0) !== 0x80) return 0
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
