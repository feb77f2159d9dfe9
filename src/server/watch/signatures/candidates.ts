import { WritError } from '../../../protocol/errors.ts'
import { NotASignature, readArmor, readBase64 } from './armor.ts'
import { type Embedded, embeddedInCommit, embeddedInTag } from './embedded.ts'
import type { Evidence } from './evidence.ts'
import { noteLines } from './note-lines.ts'
import { isSshSignature } from './ssh-signature.ts'
import type { RefusedSignature } from './standing.ts'

/** Something that may be a signature, and what it would sign. */
export interface Candidate {
  readonly where: RefusedSignature['where']
  readonly line: number | undefined
  readonly method: 'openpgp' | 'ssh'
  readonly bytes: Buffer
  readonly payload: Uint8Array
}

/** Everything in the evidence that may be a signature, in its order: first the embedded one, then the note's. */
export function candidatesIn(evidence: Evidence): { candidates: Candidate[]; refused: RefusedSignature[] } {
  const candidates: Candidate[] = []
  const refused: RefusedSignature[] = []
  const attempt = (where: Candidate['where'], line: number | undefined, read: () => Candidate | undefined) => {
    try {
      const candidate = read()
      if (candidate) candidates.push(candidate)
    } catch (error) {
      if (!(error instanceof NotASignature)) throw error
      refused.push({ where, line, why: error.message })
    }
  }
  const { object, note, subject } = evidence
  if (object) attempt(object.type, undefined, () => fromObject(object))
  const text = Buffer.from(subject, 'latin1')
  for (const { number, base64 } of note ? noteLines(note) : []) {
    attempt('note', number, () => {
      const bytes = readBase64(base64)
      const method = isSshSignature(bytes) ? 'ssh' : 'openpgp'
      return { where: 'note', line: number, method, bytes, payload: text }
    })
  }
  return { candidates, refused }
}

function fromObject({ type, bytes }: NonNullable<Evidence['object']>): Candidate | undefined {
  let embedded: Embedded | undefined
  if (type === 'commit') embedded = embeddedInCommit(bytes)
  else if (type === 'tag') embedded = embeddedInTag(bytes)
  else throw new WritError('signatures_unreadable', 'neither a commit nor a tag')
  if (!embedded) return undefined
  const { kind, bytes: signature } = readArmor(embedded.signature)
  const method = kind === 'SSH SIGNATURE' ? 'ssh' : 'openpgp'
  return { where: type, line: undefined, method, bytes: signature, payload: embedded.payload }
}
