/** A path that must not be sent to Vault. The text of the path is not repeated: it may hold control characters. */
export class VaultPathError extends Error {
  override readonly name = 'VaultPathError'
}

/** Of characters that no URL encodes and no cleaning touches: most paths, known by one look instead of one for each segment. */
const PLAIN = /^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*\/?$/

/**
 * Turns a logical Vault path (`kv/data/app`, no leading slash) into the URL path below `/v1/`, each segment percent-encoded.
 *
 * The attack: a task named `../auth/token/create`, joined into a Vault URL and cleaned by the HTTP library, picks its own
 * endpoint (the confused deputy of vault-gatekeeper). So nothing is ever cleaned here: dots, empty segments and control
 * characters are refused.
 */
export function urlPath(path: string): string {
  if (PLAIN.test(path)) return path
  const segments = path.split('/')
  const trailing = segments.at(-1) === '' ? segments.pop() : undefined
  if (segments.length === 0) throw new VaultPathError('an empty Vault path')
  for (const segment of segments) {
    if (segment === '') throw new VaultPathError('a Vault path with an empty segment')
    if (segment === '.' || segment === '..') throw new VaultPathError('a Vault path with a dot segment')
    if (/[\p{Cc}\p{Cs}]/u.test(segment)) throw new VaultPathError('a Vault path with a control character')
  }
  return segments.map(encodeURIComponent).join('/') + (trailing === undefined ? '' : '/')
}
