import { WritError } from '../../../protocol/errors.ts'

const MAX_LENGTH = 512
const REFERENCE = /^[a-z0-9][a-z0-9._:/@-]*$/i

/**
 * An image reference, with the tag that the engine would else not assume: given none, it pulls every tag there is.
 * Refuses what is no reference, because it becomes part of a path of the engine's API.
 */
export function withTag(ref: string): string {
  if (!REFERENCE.test(ref) || ref.includes('..') || ref.includes('//') || ref.length > MAX_LENGTH) {
    throw new WritError('image_not_found', 'the image is no valid reference')
  }
  if (ref.includes('@') || /^(sha256:)?[0-9a-f]{64}$/.test(ref)) return ref
  // A colon before the last slash is the port of a registry.
  return ref.slice(ref.lastIndexOf('/') + 1).includes(':') ? ref : `${ref}:latest`
}
