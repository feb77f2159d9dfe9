import { WritError } from '../../../protocol/errors.ts'

/** More than any team has people; a larger note is there to keep the server busy. */
const LINES = 1_000
const LINE_BYTES = 64 * 1024
/** Empty lines count too. The attack: a note of nothing else, whose lines fill the memory before one of them is looked at. */
const MOST_LINES = 10 * LINES
const NOTE_BYTES = LINES * LINE_BYTES

export interface NoteLine {
  /** From 1. */
  readonly number: number
  /** Base64 of a binary signature. */
  readonly base64: string
}

/**
 * The signatures of a note, one per non-empty line (gitops-quorum.md). Some tools leave the checksum of the armour at the
 * end of the line; it is no part of the signature. `signatures_unreadable` for a note that is too large.
 */
export function noteLines(note: Uint8Array): NoteLine[] {
  const tooLarge = () => new WritError('signatures_unreadable', 'the note is too large')
  if (note.byteLength > NOTE_BYTES) throw tooLarge()
  const found = Buffer.from(note.buffer, note.byteOffset, note.byteLength)
    .toString('latin1')
    .split('\n', MOST_LINES + 1)
  if (found.length > MOST_LINES) throw tooLarge()
  const lines = found
    .map((line, at) => ({ number: at + 1, base64: line.trim().replace(/=[A-Za-z0-9+/]{4}$/, '') }))
    .filter(({ base64 }) => base64 !== '')
  if (lines.length > LINES || lines.some(({ base64 }) => base64.length > LINE_BYTES)) throw tooLarge()
  return lines
}
