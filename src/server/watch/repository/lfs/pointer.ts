import { WritError } from '../../../../protocol/errors.ts'

/** What stands in the place of a large file (git-lfs, docs/spec.md), and pins its content. */
export interface Pointer {
  /** Hex SHA-256 of the content. */
  readonly oid: string
  readonly size: number
}

/** Above it, git-lfs takes nothing for a pointer either. */
const MOST_BYTES = 1024
const BEGINNING = 'version https://git-lfs.github.com/spec/'
const WHOLE =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,15})\n$/

/**
 * Undefined for what is none. Whatever begins like one has to be one, to the byte: `lfs_pointer_invalid`. So are pointers with extensions,
 * whose content some program would have to change first. Attributes are not asked: whoever signs a pointer signs its content, and a
 * forgotten `.gitattributes` would otherwise have the commands work on pointers without a word.
 */
export function pointerIn(bytes: Buffer): Pointer | undefined {
  if (bytes.length >= MOST_BYTES || !bytes.toString('latin1').startsWith(BEGINNING)) return undefined
  const [, oid, digits] = WHOLE.exec(bytes.toString('latin1')) ?? []
  if (!oid || !digits || !Number.isSafeInteger(Number(digits))) throw new WritError('lfs_pointer_invalid')
  return { oid, size: Number(digits) }
}
