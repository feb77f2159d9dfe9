import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LIST_STAND_IN, ListVerb } from '../../../list-verb/list-verb.ts'
import { WritError } from '../../../protocol/errors.ts'
import type { Capability } from '../../../vault/capabilities.ts'
import { isRecord } from '../../../vault/response.ts'
import { findWatch } from '../../store/watches.ts'
import { requireWatch } from '../../watch/caller.ts'
import { Fields } from '../../watch/fields.ts'
import { isItemName } from '../../watch/names.ts'
import type { Watching } from '../../watch/watching.ts'
import { callerOf, requireCaller } from '../auth.ts'
import { parseJson } from '../json-body.ts'
import { answerVaultError, envelope, send } from './answer.ts'
import { helpOf, mountHelp } from './help.ts'
import { MOUNT } from './mount-pattern.ts'
import { mountRoutes } from './mounts.ts'
import type { Path } from './path.ts'
import { PATHS } from './paths.ts'

type Operation = 'read' | 'list' | 'write' | 'remove'

/** No path has an existence check, so that every write is an update (gitops.md §3). */
const NEEDS: Readonly<Record<Operation, Capability>> = {
  read: 'read',
  list: 'list',
  write: 'update',
  remove: 'delete',
}

const ANY: readonly Capability[] = ['create', 'read', 'update', 'delete', 'list']

/** Vault's clients ask each path for its own help; the description of our interface is about our interface. */
const HIDDEN = { hide: true }

interface MountParams {
  Params: { mount: string; '*': string }
}

/**
 * `/v1/<mount>/…` as Vault speaks it (gitops.md §3), beside our own `/v1/api/…`: the router prefers fixed parts of a path, and no
 * watch may have their names. Registered in a scope of its own, whose bodies, errors and callers are Vault's.
 */
export function watchRoutes(app: FastifyInstance, watching: Watching): void {
  app.addHttpMethod(LIST_STAND_IN)
  app.server.on(app.server instanceof TlsServer ? 'secureConnection' : 'connection', ListVerb.attach)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, parseBody)
  app.setErrorHandler(answerVaultError)
  app.addHook('onRequest', requireCaller(watching.engine))
  mountRoutes(app, watching)

  app.route<MountParams>({
    method: ['GET', 'HEAD', LIST_STAND_IN, 'POST', 'PUT', 'DELETE', 'PATCH'],
    url: `/${MOUNT}/*`,
    exposeHeadRoute: false,
    schema: HIDDEN,
    handler: async (request, reply) => await answer(watching, request, reply),
  })
  app.route<{ Params: { mount: string; '*'?: string } }>({
    method: ['GET', LIST_STAND_IN, 'POST', 'PUT', 'DELETE'],
    url: `/${MOUNT}`,
    exposeHeadRoute: false,
    schema: HIDDEN,
    handler: async (request, reply) => {
      request.params['*'] = ''
      return await answer(watching, request as FastifyRequest<MountParams>, reply)
    },
  })
}

async function answer(
  watching: Watching,
  request: FastifyRequest<MountParams>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { engine } = watching
  const { mount } = request.params
  const rest = request.params['*'].replace(/\/+$/, '')
  const watch = await findWatch(engine.db, mount)
  if (!watch) {
    // to whoever may do nothing with it, a watch that is there and one that is not look the same
    await requireWatch(engine, callerOf(request), mount, ...ANY)
    throw new WritError('watch_not_found', `'${mount}/${rest}'`.slice(0, 200))
  }
  const query = request.query as Record<string, string | string[]>
  const caller = callerOf(request)
  const isHelp = query.help !== undefined && query.help !== '0'
  if (isHelp) await requireWatch(engine, caller, watch.name, ...ANY)
  if (rest === '' && isHelp) return send(reply, mountHelp(PATHS))
  const found = findPath(rest)
  if (!found) {
    await requireWatch(engine, caller, watch.name, ...ANY)
    throw new WritError('watch_path_unknown')
  }
  const { path, name } = found
  if (isHelp) return send(reply, helpOf(path, rest))

  const operation = operationOf(request.method, query.list)
  const handler = operation && path[operation]
  await requireWatch(engine, caller, watch.name, ...(operation ? [NEEDS[operation]] : ANY))
  if (!handler) throw new WritError('watch_operation_unsupported')
  const body = operation === 'write' ? request.body : firstOfEach(query)
  // what the URL says overrides what the body says (gitops.md §3)
  const fields = new Fields({ ...(isRecord(body) ? body : {}), ...(path.pattern.includes(':name') ? { name } : {}) })
  const answered = await handler({ ...watching, watch, caller, name, fields })
  if (answered) return send(reply, envelope(answered))
  if (operation === 'write' || operation === 'remove') return reply.code(204).send()
  return send(reply.code(404), { errors: [] })
}

/** Fixed names before those with a parameter: `task/configure` is no task. */
function findPath(rest: string): { path: Path; name: string } | null {
  const parts = rest.split('/')
  for (const path of PATHS) {
    const wanted = path.pattern.split('/')
    if (wanted.length !== parts.length) continue
    const name = parts[wanted.indexOf(':name')] ?? ''
    const fits = wanted.every((part, index) => part === parts[index] || (part === ':name' && isItemName(name)))
    if (fits) return { path, name }
  }
  return null
}

function operationOf(method: string, list: unknown): Operation | null {
  switch (method) {
    case LIST_STAND_IN:
      return 'list'
    case 'GET':
      return isList(list) ? 'list' : 'read'
    case 'POST':
    case 'PUT':
      return 'write'
    case 'DELETE':
      return 'remove'
    default:
      return null
  }
}

function isList(value: unknown): boolean {
  if (value === undefined || value === '') return false
  if (['1', 't', 'true'].includes(String(value).toLowerCase())) return true
  if (['0', 'f', 'false'].includes(String(value).toLowerCase())) return false
  throw new WritError('query_invalid', 'list is neither true nor false')
}

function firstOfEach(query: Record<string, string | string[]>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value].flat()[0]]))
}

/** `vault write -f` sends `null` or nothing. */
async function parseBody(request: FastifyRequest, body: Buffer): Promise<unknown> {
  if (body.byteLength === 0) return {}
  const value = await parseJson(request, body)
  if (value === null) return {}
  if (!isRecord(value)) throw new WritError('body_not_json')
  return value
}
