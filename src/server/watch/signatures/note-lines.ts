import { WritError } from '../../../protocol/errors.ts'

/** More than any team has people; a larger note is there to keep the server busy. */
const LINES = 1_000
const LINE_BYTES = 64 * 1024

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
  if (note.byteLength > LINES * LINE_BYTES) throw new WritError('signatures_unreadable', 'the note is too large')
  const lines = Buffer.from(note.buffer, note.byteOffset, note.byteLength)
    .toString('latin1')
    .split('\n')
    .map((line, at) => ({ number: at + 1, base64: line.trim().replace(/=[A-Za-z0-9+/]{4}$/, '') }))
    .filter(({ base64 }) => base64 !== '')
  if (lines.length > LINES || lines.some(({ base64 }) => base64.length > LINE_BYTES)) {
    throw new WritError('signatures_unreadable', 'the note is too large')
  }
  return lines
}
