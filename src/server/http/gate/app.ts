import rateLimit from '@fastify/rate-limit'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { WritError } from '../../../protocol/errors.ts'
import type { Gate } from '../../gate/gate.ts'
import { closeIdleConnections } from '../idle-connections.ts'
import { endOf } from './body.ts'
import { countedAs } from './caller.ts'
import { Counters } from './counters.ts'
import { gateRoutes } from './routes.ts'
import type { GateHttpSettings } from './settings.ts'

/** More than any request of any client; a task's id has less than a kilobyte. */
const BODY_LIMIT = 64 * 1024
/** How long a request may take to arrive. */
const ARRIVAL_MS = 10_000
const MINUTE = 60_000

/** The gate's own listener, not listening yet: what vault-gatekeeper answered, framework and all (gatekeeper.md §2.1, §13). */
export async function buildGateApp(gate: Gate, settings: GateHttpSettings): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: gate.parts.log,
    bodyLimit: BODY_LIMIT,
    requestTimeout: ARRIVAL_MS,
    logController: new LogController({ disableRequestLogging: true }),
    // a logger for each request, for its number alone, which only a fault's line needs
    childLoggerFactory: (log: FastifyBaseLogger) => log,
    exposeHeadRoutes: false,
    // no route has a schema: the compilers of schemas would be a tenth of the memory of a gate that is alone
    schemaController: {
      compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => JSON.stringify },
    },
    ...(settings.tlsCert && settings.tlsKey ? { https: { cert: settings.tlsCert, key: settings.tlsKey } } : {}),
  } as object) as unknown as FastifyInstance
  closeIdleConnections(app)
  // each route decodes for itself: what a body is depends on the route and its version
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request: FastifyRequest, body: Buffer, done) =>
    done(null, body),
  )
  app.setErrorHandler((cause: FastifyError | Error, request, reply) => answerFault(cause, request, reply, settings))

  await app.register(rateLimit, { global: false })
  const limiter = (max: number): ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) | null => {
    if (max === 0) return null
    const count = app.createRateLimit({ max, timeWindow: MINUTE, keyGenerator: countedAs })
    return async (request: FastifyRequest, reply: FastifyReply) => {
      const verdict = await count(request)
      if (verdict.isAllowed || !verdict.isExceeded) return
      reply.header('retry-after', verdict.ttlInSeconds)
      throw new WritError('too_many_requests')
    }
  }
  const limitAll = limiter(settings.tokenRate)

  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    for (const one of [method].flat()) methods.set(url, (methods.get(url) ?? new Set()).add(one))
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answerUnknown(request, reply, methods, settings)
    else if (limitAll) limitAll(request, reply).then(() => done(), done)
    else done()
  })
  app.addHook('onClose', async () => gate.refusals.tell())
  app.addHook('onResponse', (request, reply, done) => {
    const { url } = request.routeOptions
    // a token has its own line, with the task: each line is a write that the next request waits for
    const { statusCode: status } = reply
    const level = url === '/token' && status === 200 ? 'debug' : 'info'
    if (status < 400 || gate.refusals.allows(`HTTP ${status}`))
      request.log[level]({ method: request.method, route: url, status, ms: reply.elapsedTime })
    done()
  })
  gateRoutes(app, gate, new Counters(), settings, limiter(settings.unsealRate) ?? (async () => {}))
  return app
}

/** Version 1: 404, and a redirect from a path with a slash; version 2: 405 for a path with another method, and no redirect. */
function answerUnknown(
  request: FastifyRequest,
  reply: FastifyReply,
  methods: ReadonlyMap<string, ReadonlySet<string>>,
  { wire }: GateHttpSettings,
): FastifyReply {
  const [path = ''] = request.url.split('?', 1)
  const known = methods.get(path)
  const bare = methods.get(path.replace(/\/$/, ''))
  if (wire === 'v1' && path !== '/' && path.endsWith('/') && bare?.has(request.method)) {
    return reply
      .code(request.method === 'GET' ? 301 : 307)
      .header('location', path.slice(0, -1))
      .send()
  }
  if (wire === 'v2' && known) {
    return reply
      .code(405)
      .header('allow', [...known].join(', '))
      .type('application/json')
      .send('')
  }
  if (wire === 'v1') return reply.code(404).type('text/plain').send('404 page not found')
  const type = 'text/plain; charset=utf-8'
  return reply.code(404).type(type).header('x-content-type-options', 'nosniff').send('404 page not found\n')
}

/** What comes before any route: a body that is too large, a request too many. In the words of both versions. */
function answerFault(
  cause: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  { wire }: GateHttpSettings,
): FastifyReply {
  const error = faultOf(cause)
  if (error.code === 'internal') request.log.error({ err: cause, request: request.id }, 'a request failed')
  const { http, remedy } = error.entry
  const body = { ok: false, error: error.message, code: error.code, remedy }
  reply.code(http).type('application/json; charset=utf-8')
  return reply.send(JSON.stringify(body) + endOf(wire))
}

function faultOf(cause: FastifyError | Error): WritError {
  if (cause instanceof WritError) return cause
  const { code, statusCode = 500 } = cause as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new WritError('body_too_large')
  if (statusCode < 500) return new WritError('body_not_json')
  return new WritError('internal')
}
