/**
 * Finds in the recovery copy of one stream the place from which on it is new. All before `known` is skipped by count.
 * After that may come `open`: what was delivered live of a line that is not finished. The engine writes lines only when
 * they are whole, and one that restarts forgets those it had begun, so whether `open` is there shows only by looking:
 * skipping it by count instead lost as much of the output behind it.
 */
export class Rejoin {
  #known: number
  #open: Buffer
  #skip = 0
  #matched = 0

  constructor(known: number, open: Buffer = Buffer.alloc(0)) {
    this.#known = known - open.length
    this.#open = open
  }

  /** Bytes that are dealt with; it grows exactly when there is progress. */
  get known(): number {
    return this.#known
  }

  /** The copy is read from its start again. */
  restart(): void {
    this.#skip = this.#known
    this.#matched = 0
  }

  /** What of the next piece of the copy is new. */
  accept(piece: Buffer): Buffer {
    const skipped = Math.min(this.#skip, piece.length)
    this.#skip -= skipped
    const fresh = this.#decided(piece.subarray(skipped))
    this.#known += fresh.length
    return fresh
  }

  /** The copy is complete. If it ended while it looked like `open`, that was new after all. */
  end(): Buffer {
    const fresh = this.#settle()
    this.#known += fresh.length
    return fresh
  }

  #settle(): Buffer {
    const likeOpen = this.#open.subarray(0, this.#matched)
    this.#open = Buffer.alloc(0)
    this.#matched = 0
    return likeOpen
  }

  #decided(piece: Buffer): Buffer {
    if (this.#open.length === 0) return piece
    const open = this.#open.subarray(this.#matched)
    const same = commonLength(open, piece)
    if (same === open.length) {
      this.#known += this.#open.length
      this.#open = Buffer.alloc(0)
      return piece.subarray(same)
    }
    this.#matched += same
    if (same === piece.length) return Buffer.alloc(0)
    return Buffer.concat([this.#settle(), piece.subarray(same)])
  }
}

function commonLength(one: Buffer, other: Buffer): number {
  let length = 0
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1
  return length
}
