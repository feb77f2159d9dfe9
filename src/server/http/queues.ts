import type { FastifyInstance } from 'fastify'
import { QueueList } from '../../protocol/job.ts'
import type { Engine } from '../jobs/engine.ts'
import { listQueues } from '../jobs/list.ts'
import { callerOf, requireCaller } from './auth.ts'

/** `GET /v1/api/queues`: how long the queues are that one may read. */
export function queueRoutes(app: FastifyInstance, engine: Engine): void {
  app.get(
    '/v1/api/queues',
    { onRequest: requireCaller(engine), schema: { response: { 200: QueueList } } },
    async request => await listQueues(engine, callerOf(request)),
  )
}
