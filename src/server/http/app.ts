import Fastify, { type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import type { Engine } from '../jobs/engine.ts'
import type { Intake } from '../jobs/intake.ts'
import type { Watching } from '../watch/watching.ts'
import { answerError } from './errors.ts'
import { healthRoutes, type NodeState } from './health.ts'
import { closeIdleConnections } from './idle-connections.ts'
import { jobRoutes } from './jobs.ts'
import { parseJson } from './json-body.ts'
import { refuseUnknown } from './method-check.ts'
import { metricsRoutes } from './metrics.ts'
import { collectDescriptions, openapiRoute } from './openapi.ts'
import { queueRoutes } from './queues.ts'
import { limitRates, type RateLimits } from './rate-limit.ts'
import { readinessRoutes } from './ready.ts'
import { withoutTrailingSlash } from './trailing-slash.ts'
import { watchRoutes } from './watch/routes.ts'
import { webhookRoute } from './watch/webhook.ts'

export interface HttpSettings extends RateLimits {
  /** Bytes. */
  readonly bodyLimit: number
  /** PEM, both or neither. */
  readonly tlsCert: string | null
  readonly tlsKey: string | null
}

/** How long a request may take to arrive with its body. */
const ARRIVAL_MS = 300_000

/** What a server has and a test may lack. */
export interface AppParts {
  readonly watching?: Watching | undefined
  readonly intake?: Intake | undefined
}

/** The HTTP interface, not listening yet. */
export async function buildApp(
  engine: Engine,
  settings: HttpSettings,
  node: NodeState,
  { watching, intake }: AppParts = {},
): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: engine.log,
    bodyLimit: settings.bodyLimit,
    logController: new LogController({ disableRequestLogging: true }),
    // The attack: bodies that never end, of strangers too (a webhook has no token to be asked for first). Answers may last for days
    requestTimeout: ARRIVAL_MS,
    ...(settings.tlsCert && settings.tlsKey ? { https: { cert: settings.tlsCert, key: settings.tlsKey } } : {}),
  } as object) as unknown as FastifyInstance

  closeIdleConnections(app)
  // whatever the content type says, a body is JSON: GoStint's own tests send it as a form (gostint.md §2.1)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, parseJson)
  // requests are checked by the same schemas, in the way of GoStint's decoder (describe.ts)
  app.setValidatorCompiler(() => () => true)
  app.setErrorHandler(answerError)
  app.addHook('onResponse', async (request, reply) => {
    request.log.info({
      ...jobOf(request),
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      ms: reply.elapsedTime,
    })
  })

  app.decorateRequest('caller', null)
  app.decorateRequest('submitted', null)
  await limitRates(app, settings)
  // a browser must not take for a page what a job put into its output, in whichever answer that is
  app.addHook('onRequest', async (_, reply) => {
    reply.header('x-content-type-options', 'nosniff')
  })
  // as of GoStint and of Vault: a shell that reads line by line would pass over a last line without its end (gostint.md §2.1)
  app.addHook('onSend', (_, reply, payload, done) => {
    const isJson = typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('application/json')
    done(null, isJson && !payload.endsWith('\n') ? `${payload}\n` : payload)
  })
  app.addHook('onRequest', withoutTrailingSlash)
  refuseUnknown(app)
  await collectDescriptions(app)
  openapiRoute(app)
  metricsRoutes(app, engine)
  healthRoutes(app, engine, node)
  readinessRoutes(app, engine, node)
  queueRoutes(app, engine)
  await app.register(
    (scope, _options, done) => {
      jobRoutes(scope, engine, intake)
      done()
    },
    { prefix: '/v1/api/job' },
  )
  if (watching) {
    await app.register(
      (scope, _options, done) => {
        webhookRoute(scope, watching)
        done()
      },
      { prefix: '/v1' },
    )
    await app.register(
      (scope, _options, done) => {
        watchRoutes(scope, watching)
        done()
      },
      { prefix: '/v1' },
    )
  }
  return app
}

/** Which job a request was about, for whoever looks for it in the log. */
function jobOf({ params, submitted }: FastifyRequest): { job?: string } {
  const { id = '' } = (params ?? {}) as { id?: string }
  // what is no id is not logged as one
  const job = submitted ?? (/^[0-9a-f]{24}$/i.test(id) ? id.toLowerCase() : null)
  return job === null ? {} : { job }
}
