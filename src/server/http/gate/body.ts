import type { FastifyRequest } from 'fastify'
import { WritError } from '../../../protocol/errors.ts'
import { decodeTexts, GoJsonError } from './go-json.ts'
import type { Wire } from './settings.ts'

/** Fields of a request, whatever form they came in. */
export type Fields = ReadonlyMap<string, string>

/** What a body says it is, without parameters: vault-gatekeeper 1 did not know `application/json; charset=utf-8`. */
export function mediaType(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

export function isForm(request: FastifyRequest): boolean {
  const type = mediaType(request)
  return type === 'multipart/form-data' || (type === 'application/x-www-form-urlencoded' && !isObject(request))
}

/** `curl -d` calls everything a form: version 2 read its JSON all the same (gatekeeper.md §13). No form begins like this. */
function isObject(request: FastifyRequest): boolean {
  return /^[ \t\r\n]*\{/.test(bytesOf(request).toString('latin1', 0, 64))
}

const UTF8 = new TextDecoder('utf-8')

/** The texts of these keys of a JSON body. Throws `body_not_json` with Go's words. */
export function jsonTexts<K extends string>(request: FastifyRequest, keys: readonly K[]): Record<K, string> {
  try {
    return decodeTexts(UTF8.decode(bytesOf(request)), keys)
  } catch (error) {
    if (error instanceof GoJsonError) throw new WritError('body_not_json', error.message)
    throw error
  }
}

/** A form as a browser sends it. Throws `body_not_json`. */
export async function formFields(request: FastifyRequest): Promise<Fields> {
  const body = bytesOf(request)
  if (mediaType(request) !== 'multipart/form-data') return new Map(new URLSearchParams(body.toString('utf8')))
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  try {
    const form = await new Response(new Uint8Array(body), { headers }).formData()
    return new Map([...form].filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
  } catch {
    throw new WritError('body_not_json', 'the form cannot be read')
  }
}

function bytesOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** What ends an answer: in version 2 a line, which a shell's `read` waits for (gatekeeper.md §13). */
export function endOf(wire: Wire): string {
  return wire === 'v2' ? '\n' : ''
}
