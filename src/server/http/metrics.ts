import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Gauge, Histogram } from 'prom-client'
import Type from 'typebox'
import { JOB_STATES } from '../../protocol/job.ts'
import type { Engine } from '../jobs/engine.ts'
import { type Depth, waitingDepth } from '../store/jobs.ts'
import { countsOf } from './counts.ts'
import { describeRoute } from './describe.ts'

/**
 * `GET /v1/api/metrics`, for Prometheus. Labels are bounded: a path is the pattern of its route, never with an id in it as GoStint's
 * (gostint.md BUG 30).
 */
export function metricsRoutes(app: FastifyInstance, engine: Engine): void {
  const { registry } = engine.meters
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'gostint_request_duration_seconds',
    help: 'Time to answer a request, by status code, method and route.',
    labelNames: ['service', 'code', 'method', 'path'],
    registers: [registry],
  })
  new Gauge({
    name: 'writ_jobs',
    help: 'Jobs on record, of all nodes, by status.',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      this.reset()
      // what is not known is left out: a zero would say that nothing waits
      const counts = await countsOf(engine.db).catch(() => null)
      if (counts) for (const status of JOB_STATES) this.set({ status }, counts.get(status) ?? 0)
    },
  })
  const depths = {
    writ_queue_depth: ['Jobs that wait, in all queues.', 'waiting'],
    writ_queues_waiting: ['Queues in which a job waits.', 'queues'],
    writ_queue_oldest_seconds: ['How long the oldest job has waited.', 'oldestSeconds'],
  } as const
  let depth: Promise<Depth | null> = Promise.resolve(null)
  const [first] = Object.keys(depths)
  for (const [name, [help, field]] of Object.entries(depths)) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        // one query for the three of them, which are collected in this order
        if (name === first) depth = waitingDepth(engine.db).catch(() => null)
        const found = await depth
        if (found) this.set(found[field])
        else this.reset()
      },
    })
  }
  new Gauge({
    name: 'writ_sealed',
    help: '1 while the server has no Vault identity.',
    registers: [registry],
    collect() {
      this.set(engine.identity.state.sealed ? 1 : 0)
    },
  })

  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request
    const labels = { service: 'gostint', code: String(reply.statusCode), method, path: routeOptions.url ?? 'none' }
    requests.observe(labels, reply.elapsedTime / 1000)
  })
  const schema = describeRoute({ summary: 'For Prometheus', open: true, answer: { 'text/plain': Type.String() } })
  app.get('/v1/api/metrics', { schema }, async (_request, reply) => {
    return reply.type(registry.contentType).send(await registry.metrics())
  })
}
