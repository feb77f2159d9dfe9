import type { FastifyRequest } from 'fastify'
import { WritError } from '../../protocol/errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whatever comes as a body is neither read as JSON nor refused. */
    readonly ignoresBody?: boolean
  }
}

/** More than any honest job; a validator that recurses must not be sent deeper than its stack. */
const MAX_DEPTH = 32

/** Decodes a body as JSON; undefined for an empty one, which only some routes mind. Throws `body_not_json`. */
export async function parseJson({ routeOptions }: FastifyRequest, body: Buffer): Promise<unknown> {
  // GoStint does not look at what it has no use for (gostint.md §2.9)
  if (body.byteLength === 0 || routeOptions.config.ignoresBody) return undefined
  let value: unknown
  try {
    value = parseFirst(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // the parser's own message quotes the body, which may hold a token
    throw new WritError('body_not_json')
  }
  if (!isShallow(value, MAX_DEPTH)) throw new WritError('body_not_json', `nested deeper than ${MAX_DEPTH}`)
  return value
}

/** The first JSON value of a text; what comes after it is ignored, as GoStint's decoder does (gostint.md §2.1). */
function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const end = endOfObject(text)
    if (end === 0) throw error
    return JSON.parse(text.slice(0, end))
  }
}

/**
 * Where the object ends that a text begins with; 0 if it begins with something else, or the object does not end. Each character is looked at
 * once. The attack on a regular expression for the texts in it: half a body of quotes behind backslashes, from each of which it looks to
 * the end for the other one, for hours, and nobody else is answered.
 */
function endOfObject(text: string): number {
  const start = text.search(/\S/)
  if (text[start] !== '{') return 0
  let depth = 0
  let quoted = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (quoted && char === '\\') at += 1
    else if (char === '"') quoted = !quoted
    else if (quoted) continue
    else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') depth -= 1
    if (depth === 0) return at + 1
  }
  return 0
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every(item => isShallow(item, depth - 1))
}
