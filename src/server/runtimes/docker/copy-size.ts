/** Of json-file beside the text of a record: `{"log":"`, `","stream":"stdout","time":"2026-11-22T17:00:00.123456789Z"}` and a newline. */
const RECORD = 70
const NEWLINE = 10
const REPLACEMENT = Buffer.from('\ufffd')
/** What a byte of the text takes: Docker writes JSON, and escapes also what a page could take for its own. */
const COST = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === NEWLINE) return 2 + RECORD
  if ('\r"\\'.includes(String.fromCharCode(byte))) return 2
  return byte < 0x20 || '<>&'.includes(String.fromCharCode(byte)) ? 6 : 1
})

/**
 * How much of the engine's disk its recovery copy of an output takes. A job that writes nothing but ends of lines has 70 times as much there as it
 * writes: its bytes alone would bound nothing.
 */
export class CopySize {
  #live = 0
  #copy = 0

  /** As far as it came here, from the first byte on. */
  get bytes(): number {
    return Math.max(this.#live, this.#copy)
  }

  /** A piece of the live output, as the copy has it; `broken`: the engine makes a record of its own of what is behind the last end of a line (Podman). */
  given(text: Buffer, broken = false): void {
    this.#live += sizeOf(text) + (broken && text.at(-1) !== NEWLINE ? RECORD : 0)
  }

  /** A piece of the copy itself. */
  read(text: Buffer): void {
    this.#copy += sizeOf(text)
  }

  /** The copy is read from its start again. */
  restart(): void {
    this.#copy = 0
  }
}

function sizeOf(text: Buffer): number {
  let size = 0
  for (let i = 0; i < text.length; i++) size += COST[text[i] as number] as number
  // six on the disk, three here
  for (let at = text.indexOf(REPLACEMENT); at >= 0; at = text.indexOf(REPLACEMENT, at + 3)) size += 3
  return size
}
