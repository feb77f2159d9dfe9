import type { OutputFrame } from '../runtimes/runtime.ts'

interface Piece {
  bytes: number
  /** Absent: one for one. */
  readonly advance: ((bytes: number) => number) | undefined
}

/**
 * Where the cursor of one stream stands (`Cursor`), while a masker holds back bytes at the end of it. The masker counts bytes as
 * they came, the cursor as the recovery copy has them; a secret begins and ends at a character, so the two meet there.
 */
export class OutputPosition {
  /** Of what the masker has decided, which is what may be stored. */
  #decided: number
  /** What is behind `#decided` and may not be needed any more: only the masker's next decisions can fall into `#pieces`. */
  #known: number
  #pieces: Piece[] = []
  #bytes = 0
  #pendingBefore = 0

  constructor(position: number) {
    this.#decided = position
    this.#known = position
  }

  /** What is dealt with once everything that was decided is stored. */
  get decided(): number {
    return this.#decided
  }

  /**
   * A frame has gone into the masker, of whose bytes it now holds the last `pending` without a decision; of these, a secret may
   * still begin only in the last `held`.
   */
  add({ data, advance }: Pick<OutputFrame, 'data' | 'advance'>, pending: number, held: number): void {
    const last = this.#pieces.at(-1)
    if (last && !last.advance && !advance) last.bytes += data.byteLength
    else this.#pieces.push({ bytes: data.byteLength, advance })
    this.#bytes += data.byteLength
    // it moved: otherwise it stands where it did, perhaps before the pieces that are still known
    if (pending !== this.#pendingBefore + data.byteLength) this.#decided = this.#at(this.#bytes - pending)
    this.#pendingBefore = pending
    this.#forget(this.#bytes - held)
  }

  /** The masker has given everything. */
  end(): void {
    this.#decided = this.#at(this.#bytes)
    this.#pendingBefore = 0
    this.#forget(this.#bytes)
  }

  #at(bytes: number): number {
    let position = this.#known
    let left = bytes
    for (const piece of this.#pieces) {
      const taken = Math.min(left, piece.bytes)
      position += piece.advance?.(taken) ?? taken
      left -= taken
    }
    return position
  }

  /** Drops whole pieces that are before this byte: however long a secret's occurrences overlap, little is kept. */
  #forget(bytes: number): void {
    let gone = 0
    for (let first = this.#pieces[0]; first && gone + first.bytes <= bytes; first = this.#pieces[0]) {
      this.#known += first.advance?.(first.bytes) ?? first.bytes
      gone += first.bytes
      this.#pieces.shift()
    }
    this.#bytes -= gone
  }
}
