import { WritError } from '../../../protocol/errors.ts'

/** Where notes with further signatures are published (gitops-quorum.md, "Where the signatures of a commit live"). */
export const SIGNATURES_REF = 'refs/tags/latest-signature'

/**
 * The full name of the watched ref: a branch, or with `refs/tags/` a tag. git's own rules for names, and stricter in
 * that no part begins with a dash; `repository_branch_invalid` otherwise.
 */
export function watchedRef(branch: string): string {
  const full = /^refs\/(heads|tags)\//.test(branch) ? branch : `refs/heads/${branch}`
  const name = full.replace(/^refs\/(heads|tags)\//, '')
  if (full === SIGNATURES_REF) throw refused('that is where signatures are published')
  if (!name || name.length > 255 || name === '@') throw refused('empty, too long or "@"')
  if (branch.startsWith('refs/') && full !== branch) throw refused('neither a branch nor a tag')
  if (/[\x00-\x20\x7f~^:?*[\\]|\p{Cf}|\p{Cs}|\ufffd/u.test(name)) throw refused('a character that git does not allow')
  if (name.includes('..') || name.includes('@{') || name.endsWith('.')) throw refused('"..", "@{" or a dot at its end')
  for (const part of name.split('/')) {
    if (!part) throw refused('an empty part')
    if (part.startsWith('-')) throw refused('a part begins with a dash')
    if (part.startsWith('.') || part.endsWith('.lock')) throw refused('a part begins with a dot or ends with .lock')
  }
  return full
}

function refused(why: string): WritError {
  return new WritError('repository_branch_invalid', why)
}
