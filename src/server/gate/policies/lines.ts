import { LineCounter, parseDocument } from 'yaml'
import type { Problem } from './read.ts'

/** The line of a JSON text that a problem is in, from 1. */
export function lineOf(text: string, { path }: Problem): number {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true) as { range?: readonly number[] } | undefined
    if (node?.range) return lines.linePos(node.range[0] ?? 0).line
  }
  return 1
}
