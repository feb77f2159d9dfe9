/** The engine's recovery copy cuts a line into records of this many bytes. */
const RECORD = 16_384
const NEWLINE = 10

export interface Fresh {
  readonly data: Buffer
  /** `OutputFrame.advance`; absent: the cursor moves as far as there are bytes. */
  readonly advance?: (bytes: number) => number
}

/**
 * Finds in the recovery copy of one stream the place from which on it is new. All before `known` is skipped by count, which is right as long
 * as it is the same engine that wrote the copy. One that was killed, or only restarted, loses what it had read and not yet written down, of which
 * its live stream was up to a megabyte ahead: skipping that by count took as much away behind the loss, and joined halves of two lines.
 * So for the last of what was delivered live (`last`) the copy is looked at record by record. What looks like something delivered is not delivered
 * again; if the copy goes on with anything else, that and all behind it is new.
 */
export class Rejoin {
  /** Bytes that were dealt with, as the cursor counts them. */
  readonly #counted: number
  /** Of these, what the copy can be compared with; empty: nothing any more. */
  #last: Buffer
  /** Position in the copy up to which all is dealt with, without `#last`. */
  #known: number
  #skip = 0
  /** How much of `#last` was found. */
  #found = 0
  /** Of the copy: the record that is being looked at. */
  #record: Buffer = Buffer.alloc(0)
  #read = 0
  #given = 0
  #moved: number | null = null

  constructor(known: number, last: Buffer = Buffer.alloc(0)) {
    this.#counted = known
    this.#last = last.length < known ? fromLineStart(last) : last
    this.#known = known - this.#last.length
  }

  /** It is the engine that wrote all of it: positions are right. */
  trust(): void {
    this.#known += this.#last.length
    this.#last = Buffer.alloc(0)
  }

  /** Bytes that were given as new: it grows exactly when there is progress. */
  get given(): number {
    return this.#given
  }

  /** The copy is read from its start again. */
  restart(): void {
    this.#skip = this.#known
    this.#found = 0
    this.#record = Buffer.alloc(0)
    this.#read = 0
  }

  /** What of the next piece of the copy is new. */
  accept(piece: Buffer): Fresh {
    this.#read += piece.length
    const skipped = Math.min(this.#skip, piece.length)
    this.#skip -= skipped
    return this.#give(this.#compare(piece.subarray(skipped)))
  }

  /** The copy is complete, and so is its last record. */
  end(): Fresh {
    const rest = this.#record
    this.#last = Buffer.alloc(0)
    this.#record = Buffer.alloc(0)
    return this.#give(rest)
  }

  #give(fresh: Buffer): Fresh {
    if (fresh.length === 0) return { data: fresh }
    this.#given += fresh.length
    this.#known = this.#read
    const lost = this.#moved === null ? this.#counted - (this.#read - fresh.length) : 0
    this.#moved = lost
    return lost === 0 ? { data: fresh } : { data: fresh, advance: bytes => (bytes === 0 ? 0 : bytes - lost) }
  }

  #compare(piece: Buffer): Buffer {
    if (this.#last.length === 0) return piece
    this.#record = this.#record.length > 0 ? Buffer.concat([this.#record, piece]) : piece
    for (;;) {
      const expected = this.#last.subarray(this.#found)
      const same = commonLength(expected, this.#record)
      if (same === expected.length) return this.#new(this.#record.subarray(same))
      const records = recordsEnd(this.#record.subarray(0, same))
      this.#found += records
      this.#record = this.#record.subarray(records)
      if (same - records === this.#record.length) return Buffer.alloc(0)
      const end = recordEnd(this.#record)
      if (end === 0) return Buffer.alloc(0)
      const later = this.#findLater(this.#record.subarray(0, end))
      if (later === null) return this.#new(this.#record)
      this.#found = later
    }
  }

  #new(fresh: Buffer): Buffer {
    this.#last = Buffer.alloc(0)
    this.#record = Buffer.alloc(0)
    this.#known = this.#read - fresh.length
    return fresh
  }

  /** Where this record begins in what is left of `#last`. */
  #findLater(record: Buffer): number | null {
    for (let from = this.#found + 1; ; from += 1) {
      from = this.#last.indexOf(record, from)
      if (from < 0) return null
      if (this.#last[from - 1] === NEWLINE) return from
    }
  }
}

function fromLineStart(text: Buffer): Buffer {
  return text.subarray(text.indexOf(NEWLINE) + 1)
}

/** How much of it is whole records. */
function recordsEnd(text: Buffer): number {
  const line = text.lastIndexOf(NEWLINE) + 1
  return line + Math.floor((text.length - line) / RECORD) * RECORD
}

/** The end of the record that it begins with; 0: that is not all there. */
function recordEnd(text: Buffer): number {
  const line = text.indexOf(NEWLINE) + 1
  if (line > 0 && line <= RECORD) return line
  return text.length >= RECORD ? RECORD : 0
}

function commonLength(one: Buffer, other: Buffer): number {
  const most = Math.min(one.length, other.length)
  // the usual case, at the speed of memory
  if (one.compare(other, 0, most, 0, most) === 0) return most
  let length = 0
  while (length < most && one[length] === other[length]) length += 1
  return length
}
