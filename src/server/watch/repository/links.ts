import { WritError } from '../../../protocol/errors.ts'
import { printable } from './objects.ts'

/** As many as Linux follows. */
const FOLLOWED = 40

/**
 * Refuses symbolic links that lead out of the tree: with an absolute target, or with more `..` than there are folders at
 * the place where the way through other links really is. Text alone does not tell: with `a/b -> ../c/d/e`, the target
 * `b/../../..` of `a/x` stays inside, with `a/b -> ..` it does not. `tree_unsafe`.
 */
export function checkLinks(links: ReadonlyMap<string, string>): void {
  for (const [path, target] of links) {
    const leaves = leadsOutside(links, path, target)
    if (leaves) throw new WritError('tree_unsafe', `${printable(path)}: a link that leads outside`)
  }
}

function leadsOutside(links: ReadonlyMap<string, string>, path: string, target: string): boolean {
  const at = path.split('/').slice(0, -1)
  const ahead = [target]
  let followed = 0
  // A stack of texts, not of parts: a chain of long targets would otherwise multiply.
  while (ahead.length > 0) {
    const text = ahead.pop() as string
    if (text.startsWith('/') || text === '' || text.includes('\0')) return true
    const slash = text.indexOf('/')
    const part = slash < 0 ? text : text.slice(0, slash)
    const rest = slash < 0 ? '' : text.slice(slash).replace(/^\/+/, '')
    if (rest) ahead.push(rest)
    if (part === '.') continue
    if (part === '..') {
      if (at.length === 0) return true
      at.pop()
      continue
    }
    const next = links.get([...at, part].join('/'))
    if (next === undefined) at.push(part)
    else if (followed++ >= FOLLOWED)
      return true // a circle, or made to be one for some and none for others
    else ahead.push(next)
  }
  return false
}
