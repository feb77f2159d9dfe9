import { WritError } from '../../protocol/errors.ts'
import type { NamedRequest } from '../../protocol/watch-plan.ts'
import { urlPath } from '../../vault/path.ts'
import type { Engine } from '../jobs/engine.ts'
import { seal, unseal } from '../jobs/sealed.ts'
import type { Tx } from '../store/database.ts'
import { findRequest, listRequests, putRequest, type WatchRequest } from '../store/watch-requests.ts'
import { type Fields, refused } from './fields.ts'

const METHODS = ['GET', 'POST', 'LIST', 'PUT', 'DELETE']
const SHORTEST_WRAP = 60

/** Reads and checks one, in the order of flant_gitops: path, method, wrap_ttl. Throws `watch_field_invalid`. */
export function readRequest(name: string, fields: Fields): NamedRequest {
  const path = fields.text('path')
  if (!path.startsWith('/')) throw refused(`"path" must begin with "/", got: ${path.slice(0, 100)}`)
  // it is sent as it is, so nothing may make another request of it
  const [plain = ''] = path.split('?', 1)
  if (/[\p{Cc}\s#\\]/u.test(path) || plain.split('/').some(part => part === '.' || part === '..')) {
    throw refused('"path" must be a plain path, without dots and blanks')
  }
  // a path that is no path of Vault's is stored with a warning, as it always was; one that hides what it asks for is not
  if (path.startsWith('/v1/')) asField(() => vaultPathOf({ name, path }))
  const method = fields.text('method', 'GET') || 'GET'
  if (!METHODS.includes(method))
    throw refused(`"method" must be one of GET, POST, LIST, PUT or DELETE, got: ${method.slice(0, 100)}`)
  const wrap_ttl = fields.seconds('wrap_ttl', SHORTEST_WRAP)
  if (wrap_ttl < SHORTEST_WRAP) throw refused(`"wrap_ttl" must be no less than 60s, got: ${wrap_ttl}s`)
  return { name, path, method, options: fields.map('options'), wrap_ttl }
}

/**
 * The path that is asked for, without `/v1/`, and what is behind its `?`. Throws `watch_request_failed` for what Vault's client would
 * not send. The attack: `%2e%2e`, or a `%` that is not one, showed as one path and meant another, or none, for which the job would wait.
 */
export function vaultPathOf({ name, path }: Pick<NamedRequest, 'name' | 'path'>): { path: string; query?: string } {
  const [plain = '', query] = path.split(/\?(.*)/s, 2)
  try {
    if (!plain.startsWith('/v1/')) throw new Error('the path does not begin with /v1/')
    const decoded = decodeURIComponent(plain.slice('/v1/'.length))
    urlPath(decoded)
    return { path: decoded, ...(query === undefined ? {} : { query }) }
  } catch (error) {
    const why = error instanceof URIError ? 'a % in the path that encodes nothing' : (error as Error).message
    throw new WritError('watch_request_failed', `${name}: ${why}`)
  }
}

function asField(check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    throw refused(`"path" must be a plain path: ${error.detail}`)
  }
}

/** In capitals, and with `_` for whatever a shell's name cannot have (gitops.md §9, 6). */
export function variableOf(name: string): string {
  return `VAULT_REQUEST_TOKEN_${name.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`
}

/** Stores one. Two names that would be one variable are refused: the later token would silently take the other's place. */
export async function storeRequest(tx: Tx, watch: string, request: NamedRequest, sealedOptions: string): Promise<void> {
  const others = (await listRequests(tx, watch)).filter(other => other.name !== request.name)
  const clash = others.find(other => variableOf(other.name) === variableOf(request.name))
  if (clash) throw refused(`"name": ${variableOf(request.name)} is the variable of the request ${clash.name} already`)
  const { name, path, method, wrap_ttl } = request
  await putRequest(tx, { watch, name, path, method, wrap_ttl, sealed_options: sealedOptions })
}

export async function sealOptions(engine: Engine, request: NamedRequest): Promise<string> {
  const [sealed = ''] = await seal(engine, [JSON.stringify(request.options)])
  return sealed
}

export async function readStoredRequest(engine: Engine, watch: string, name: string): Promise<NamedRequest | null> {
  const row = await findRequest(engine.db, watch, name)
  return row ? ((await openRequests(engine, [row]))[0] ?? null) : null
}

/** All of a watch, in the order in which they are made. */
export async function readStoredRequests(engine: Engine, watch: string, signal?: AbortSignal): Promise<NamedRequest[]> {
  return await openRequests(engine, await listRequests(engine.db, watch), signal)
}

async function openRequests(engine: Engine, rows: readonly WatchRequest[], signal?: AbortSignal) {
  const texts = await unseal(
    engine,
    rows.map(row => row.sealed_options ?? ''),
    signal,
  )
  return rows.map(({ name, path, method, wrap_ttl }, index): NamedRequest => {
    return { name, path, method, options: JSON.parse(texts[index] ?? '{}'), wrap_ttl }
  })
}
