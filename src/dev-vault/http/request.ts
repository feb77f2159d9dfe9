import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { LIST_STAND_IN } from '../../list-verb/list-verb.ts'
import { refuse, VaultError } from '../errors.ts'
import { parseFlag } from '../fields.ts'
import type { Operation, VaultRequest } from '../routing/request.ts'
import { parseSeconds } from '../text/duration.ts'
import { uuid } from '../text/ids.ts'
import { isObject, type JsonObject, parseJson } from '../text/json.ts'

/** Load balancers ask for the status alone. */
const STATUS_BY_HEAD = 'sys/health'

/** Vault's own default for one request: 32 MiB. */
const MAX_BODY = 32 * 1024 * 1024

/** A path that Go's router would have answered with a redirect to its clean form. */
export class UncleanPath extends Error {
  readonly location: string

  constructor(location: string) {
    super('path is not clean')
    this.location = location
  }
}

/**
 * One request as the core takes it.
 * @throws VaultError for what no path would accept; UncleanPath when the path has `//`, `.` or `..` in it
 */
export async function readRequest(message: IncomingMessage): Promise<VaultRequest> {
  // A client that takes us for a proxy sends the whole URL.
  const url = (message.url ?? '/').replace(/^https?:\/\/[^/]*/i, '')
  const mark = url.indexOf('?')
  const path = apiPath(mark < 0 ? url : url.slice(0, mark), mark < 0 ? '' : url.slice(mark))
  const query = mark < 0 ? {} : queryData(url.slice(mark + 1))
  const operation = operationOf(message.method ?? '', path, query)
  const data = operation === 'update' ? await readBody(message) : query
  return {
    id: uuid(),
    operation,
    path: operation === 'list' && !path.endsWith('/') ? `${path}/` : path,
    data,
    token: clientToken(message),
    wrapTtl: wrapTtl(message.headers['x-vault-wrap-ttl']),
    address: (message.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    ...(message.socket instanceof TLSSocket && { clientCertificate: certificateOf(message.socket) }),
  }
}

function apiPath(encoded: string, query: string): string {
  if (!encoded.startsWith('/')) throw new VaultError(404, [])
  let path: string
  try {
    path = decodeURIComponent(encoded)
  } catch {
    throw refuse(400, 'invalid URL escape')
  }
  // Line feeds and their like in a path would forge lines in whatever logs it.
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(path))
    throw refuse(400, 'path contains non-printable characters')
  const clean = cleanPath(path)
  // `secret/x/../../sys` must not be authorised as one path and served as another: nothing but the clean form is served.
  if (clean !== path) throw new UncleanPath(clean.split('/').map(encodeURIComponent).join('/') + query)
  if (!path.startsWith('/v1/')) throw new VaultError(404, [])
  return path.slice('/v1/'.length)
}

function cleanPath(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  const slash = parts.length > 0 && /\/\.{0,2}$/.test(path) ? '/' : ''
  return `/${parts.join('/')}${slash}`
}

function queryData(text: string): JsonObject {
  const data = new Map<string, string | string[]>()
  for (const [key, value] of new URLSearchParams(text)) {
    const before = data.get(key)
    data.set(key, before === undefined ? value : [...[before].flat(), value])
  }
  return Object.fromEntries(data)
}

function operationOf(method: string, path: string, query: JsonObject): Operation {
  if (method === 'HEAD' && path === STATUS_BY_HEAD) return 'read'
  if (method === 'GET') {
    if ('help' in query) return 'help'
    const list = query.list === undefined ? false : parseFlag(query.list)
    if (list === undefined) throw refuse(400, 'invalid value for list: not a boolean')
    return list ? 'list' : 'read'
  }
  if (method === LIST_STAND_IN) return 'list'
  if (method === 'PUT' || method === 'POST') return 'update'
  if (method === 'DELETE') return 'delete'
  throw new VaultError(405, [])
}

async function readBody(message: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop early must not end the connection, or the client never learns why.
  for await (const chunk of message.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length
    if (size > MAX_BODY) throw refuse(413, 'http: request body too large')
    chunks.push(chunk as Buffer)
  }
  if (size === 0) return {}
  const text = Buffer.concat(chunks).toString('utf8')
  if (isForm(text, message.headers['content-type'])) return queryData(text)
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    throw refuse(400, (error as Error).message)
  }
  if (value === null) return {}
  if (!isObject(value)) throw refuse(400, 'error parsing JSON')
  return value
}

/** Read when it is asked for: hardly any request is about it. */
function certificateOf(socket: TLSSocket) {
  return () => socket.getPeerX509Certificate()
}

/** `curl -d` calls everything a form: what begins as JSON is JSON all the same. */
function isForm(text: string, type = ''): boolean {
  return type.startsWith('application/x-www-form-urlencoded') && !/^\s*[[{]/.test(text)
}

function clientToken(message: IncomingMessage): string {
  const token = message.headers['x-vault-token']
  if (token !== undefined && token !== '') return String(token)
  return /^Bearer +(\S+)$/i.exec(message.headers.authorization ?? '')?.[1] ?? ''
}

function wrapTtl(header: string | string[] | undefined): number {
  let seconds: number
  try {
    seconds = parseSeconds(header)
  } catch (error) {
    throw refuse(400, `error parsing X-Vault-Wrap-TTL header: ${(error as Error).message}`)
  }
  if (seconds < 0) throw refuse(400, 'error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative')
  return seconds
}
