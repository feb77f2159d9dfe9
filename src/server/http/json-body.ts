import type { FastifyRequest } from 'fastify'
import { WritError } from '../../protocol/errors.ts'

/** More than any honest job; a validator that recurses must not be sent deeper than its stack. */
const MAX_DEPTH = 32

/** Decodes a body as JSON. Throws `body_not_json`. */
export async function parseJson(_request: FastifyRequest, body: Buffer): Promise<unknown> {
  // GoStint answers an empty body with this very word (gostint.md §2.1)
  if (body.byteLength === 0) throw new WritError('body_not_json', 'EOF')
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // the parser's own message quotes the body, which may hold a token
    throw new WritError('body_not_json')
  }
  if (!isShallow(value, MAX_DEPTH)) throw new WritError('body_not_json', `nested deeper than ${MAX_DEPTH}`)
  return value
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every(item => isShallow(item, depth - 1))
}
