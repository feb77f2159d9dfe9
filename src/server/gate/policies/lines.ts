import { isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from './read.ts'

/** The line of a JSON text that a problem is in, from 1. */
export function lineOf(text: string, { path }: Problem): number {
  const lines = new LineCounter()
  let node = parseDocument(text, { lineCounter: lines, uniqueKeys: false }).contents as Node | null
  let at = 0
  for (const [depth, key] of path.entries()) {
    node = memberOf(node, key, depth > 0)
    if (!node?.range) break
    at = node.range[0]
  }
  return lines.linePos(at).line
}

/** As the document is read: patterns as they are, keys of a policy in any case, and of two with one name the last. */
function memberOf(node: Node | null, key: string | number, anyCase: boolean): Node | null {
  if (!isMap<Node, Node | null>(node))
    return isCollection(node) ? ((node.get(key, true) as Node | undefined) ?? null) : null
  const plain = (text: unknown) => (anyCase ? String(text).toLowerCase() : String(text))
  const found = node.items.findLast(pair => isScalar(pair.key) && plain(pair.key.value) === plain(key))
  return found?.value ?? null
}
