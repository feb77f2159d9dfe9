import { WritError } from '../../../../protocol/errors.ts'
import { isRecord } from '../../../../vault/response.ts'
import type { Endpoint } from './endpoint.ts'
import { type LfsHttp, wrongStatus } from './http.ts'
import type { Pointer } from './pointer.ts'

/** Where a content is, and what it is asked for with. */
export interface Download {
  readonly pointer: Pointer
  readonly href: string
  readonly headers: Readonly<Record<string, string>>
}

/** Of one request; servers take 100 at least. */
const TOGETHER = 100
const ANSWER_BYTES = 4 * 1024 * 1024
const HREF_BYTES = 8 * 1024
const MOST_HEADERS = 32
const HEADER_BYTES = 16 * 1024
const TYPE = 'application/vnd.git-lfs+json'
/** What says whom a request is for or how it is cut would be ours to say. */
const NOT_THEIRS = /^(host|content-length|transfer-encoding|connection|upgrade|expect|te|trailer|keep-alive|proxy-.*)$/

/**
 * Asks the batch API for these objects, by basic transfers only (git-lfs, docs/api/batch.md). What it answers is somebody's text: each
 * object is spoken of once, over https, with headers that are some; the credential of the watch goes to its own server, others get what
 * the answer names for them. Throws `lfs_*`, `repository_unreachable`, `repository_host_unknown`.
 */
export async function askBatch(
  http: LfsHttp,
  endpoint: Endpoint,
  pointers: readonly Pointer[],
  signal: AbortSignal,
): Promise<Download[]> {
  const downloads: Download[] = []
  for (let at = 0; at < pointers.length; at += TOGETHER) {
    const some = pointers.slice(at, at + TOGETHER)
    const objects = some.map(({ oid, size }) => ({ oid, size }))
    const body = JSON.stringify({ operation: 'download', transfers: ['basic'], hash_algo: 'sha256', objects })
    const headers = { ...endpoint.headers, accept: TYPE, 'content-type': TYPE }
    const limits = { maxBytes: ANSWER_BYTES, signal }
    const { status, text } = await http.post(`${endpoint.url}/objects/batch`, headers, body, limits)
    if (status !== 200) throw wrongStatus(status, 'its API')
    const answer = parse(text)
    downloads.push(...some.map(pointer => downloadOf(answer, pointer, endpoint)))
  }
  return downloads
}

type Answer = ReadonlyMap<string, Readonly<Record<string, unknown>>>

function parse(text: string): Answer {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw refused('its answer is not JSON')
  }
  if (!isRecord(answer) || !Array.isArray(answer.objects)) throw refused('its answer is none')
  const { transfer = 'basic', hash_algo = 'sha256' } = answer
  if (transfer !== 'basic') throw new WritError('lfs_unsupported', 'another transfer than basic')
  if (hash_algo !== 'sha256') throw new WritError('lfs_unsupported', 'another hash than SHA-256')
  const objects = new Map<string, Record<string, unknown>>()
  for (const object of answer.objects) {
    if (!isRecord(object) || typeof object.oid !== 'string') throw refused('an object without an id')
    if (objects.has(object.oid)) throw refused('an object twice')
    objects.set(object.oid, object)
  }
  return objects
}

function downloadOf(answer: Answer, pointer: Pointer, endpoint: Endpoint): Download {
  const object = answer.get(pointer.oid)
  if (!object) throw refused(`it does not speak of ${pointer.oid}`)
  if (isRecord(object.error)) {
    const code = typeof object.error.code === 'number' ? object.error.code : 422
    throw wrongStatus(code < 400 ? 422 : code, pointer.oid)
  }
  if (object.size !== pointer.size)
    throw new WritError('lfs_content_wrong', `${pointer.oid}: another size is announced`)
  const action = isRecord(object.actions) ? object.actions.download : undefined
  if (!isRecord(action) || typeof action.href !== 'string') throw new WritError('lfs_missing', pointer.oid)
  const { origin } = checkedHref(action.href, endpoint)
  const named = headersIn(action.header)
  // git-lfs does so too: where it is the same server, and nothing else is said
  const ours = origin === endpoint.credentialFor && !('authorization' in named) && object.authenticated !== true
  return { pointer, href: action.href, headers: ours ? { ...endpoint.headers, ...named } : named }
}

function checkedHref(href: string, endpoint: Endpoint): URL {
  const url = href.length <= HREF_BYTES ? URL.parse(href) : null
  if (url === null || url.username !== '' || url.password !== '') throw refused('an address of a content that is none')
  // only where the repository itself is asked so
  const mayBePlain = url.protocol === 'http:' && endpoint.url.startsWith('http:')
  if (url.protocol !== 'https:' && !mayBePlain) throw refused('a content that is not at https')
  return url
}

function headersIn(header: unknown): Record<string, string> {
  if (header === undefined || header === null) return {}
  if (!isRecord(header)) throw refused('headers that are none')
  const fields = Object.entries(header).map(([name, value]) => [name.toLowerCase(), value] as const)
  const fine = fields.every(([name, value]) => {
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || NOT_THEIRS.test(name)) return false
    return typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)
  })
  const bytes = fields.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0)
  if (!fine || fields.length > MOST_HEADERS || bytes > HEADER_BYTES) throw refused('headers that are none')
  return Object.fromEntries(fields) as Record<string, string>
}

function refused(why: string): WritError {
  return new WritError('lfs_refused', why)
}
