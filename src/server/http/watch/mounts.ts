import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WritError } from '../../../protocol/errors.ts'
import { isRecord } from '../../../vault/response.ts'
import { findWatch, type Watch } from '../../store/watches.ts'
import { requireWatch } from '../../watch/caller.ts'
import { disableWatch, enableWatch, isWatchType, visibleWatches } from '../../watch/mounts.ts'
import type { Watching } from '../../watch/watching.ts'
import { callerOf } from '../auth.ts'
import { envelope, send } from './answer.ts'

const HIDDEN = { hide: true }

interface Rest {
  Params: { '*': string }
}

/** The little of Vault's `sys/` that the command line needs to manage watches as mounts. */
export function mountRoutes(app: FastifyInstance, { engine }: Watching): void {
  app.get('/sys/mounts', { schema: HIDDEN }, async (request, reply) => {
    const mounts = (await visibleWatches(engine, callerOf(request))).map(watch => [`${watch.name}/`, mountOf(watch)])
    const data = Object.fromEntries(mounts)
    return send(reply, { ...envelope({ data }), ...data })
  })

  app.get<Rest>('/sys/mounts/*', { schema: HIDDEN }, async (request, reply) => {
    const watch = await findWatch(engine.db, nameOf(request))
    await requireWatch(engine, callerOf(request), watch?.name ?? nameOf(request), 'read', 'list')
    if (!watch) throw new WritError('watch_not_found', nameOf(request))
    return send(reply, { ...envelope({ data: mountOf(watch) }), ...mountOf(watch) })
  })

  app.route<Rest>({
    method: ['PUT', 'POST'],
    schema: HIDDEN,
    url: '/sys/mounts/*',
    handler: async (request, reply) => {
      const body = isRecord(request.body) ? request.body : {}
      // a mount may be asked for by the name of a plugin too
      const config = isRecord(body.config) ? body.config : {}
      const plugin = body.type === 'plugin' ? (body.plugin_name ?? config.plugin_name) : body.type
      if (typeof plugin !== 'string' || plugin === '')
        throw new WritError('watch_field_invalid', 'backend type must be specified as a string')
      if (!isWatchType(plugin)) throw new WritError('watch_type_unknown', plugin.slice(0, 100))
      const description =
        typeof body.description === 'string' ? body.description.slice(0, 1000).replaceAll('\0', '') : ''
      await enableWatch(engine, callerOf(request), nameOf(request), description)
      return reply.code(204).send()
    },
  })

  app.delete<Rest>('/sys/mounts/*', { schema: HIDDEN }, async (request, reply) => {
    await disableWatch(engine, callerOf(request), nameOf(request))
    return reply.code(204).send()
  })

  // `vault plugin register`: the engine is built in, there is nothing to register
  app.route<Rest>({
    method: ['PUT', 'POST'],
    schema: HIDDEN,
    url: '/sys/plugins/catalog/*',
    handler: async (request, reply: FastifyReply) => {
      const name = nameOf(request).split('/').at(-1) ?? ''
      if (!isWatchType(name)) throw new WritError('watch_type_unknown', name.slice(0, 100))
      return reply.code(204).send()
    },
  })
}

const nameOf = (request: FastifyRequest<Rest>): string => request.params['*'].replace(/\/+$/, '')

function mountOf(watch: Watch): Record<string, unknown> {
  return {
    accessor: `flant_gitops_${watch.id.slice(0, 8)}`,
    config: { default_lease_ttl: 0, force_no_cache: false, max_lease_ttl: 0 },
    description: watch.description,
    external_entropy_access: false,
    local: false,
    options: null,
    seal_wrap: false,
    type: 'flant_gitops',
    uuid: watch.id,
  }
}
