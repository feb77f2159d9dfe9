import type { FastifyInstance } from 'fastify'
import { QueueList } from '../../protocol/job.ts'
import type { Engine } from '../jobs/engine.ts'
import { listQueues } from '../jobs/list.ts'
import { callerOf, requireCaller } from './auth.ts'
import { describeRoute } from './describe.ts'

/** `GET /v1/api/queues`: how long the queues are that one may read. */
export function queueRoutes(app: FastifyInstance, engine: Engine): void {
  const schema = describeRoute({
    summary: 'The queues that you may read, and how long they are',
    answer: QueueList,
    errors: ['store_unavailable'],
  })
  app.get(
    '/v1/api/queues',
    { onRequest: requireCaller(engine), schema },
    async request => await listQueues(engine, callerOf(request)),
  )
}
