import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Engine } from '../jobs/engine.ts'
import { checkStore } from '../store/database.ts'
import { describeRoute } from './describe.ts'
import type { NodeState } from './health.ts'

/** How long each part may take to answer: a probe's own limit is often a second or two. */
const CHECK_MS = 1_000

const check = (description: string) => Type.Enum(['ok', 'away'], { description })
const Readiness = Type.Object({
  ready: Type.Boolean(),
  state: Type.Enum(['active', 'draining'], {
    description: 'A node that drains is ready: it claims nothing, and answers as before.',
  }),
  checks: Type.Object({
    database: check('Answers a query.'),
    notifications: check('The connection on which the database wakes this node is there.'),
    vault: check('The server has a Vault identity.'),
    engine: check('The container engine answers.'),
    kubernetes: Type.Optional(
      check('Kubernetes answers for each namespace; there where a server may use some. No part of the verdict.'),
    ),
  }),
})

/** `GET /v1/api/ready`, `GET /v1/api/live`: verdicts, for probes. */
export function readinessRoutes(app: FastifyInstance, engine: Engine, node: NodeState): void {
  const ready = describeRoute({
    summary: 'Can this node take and run jobs?',
    open: true,
    answer: Readiness,
    unready: Readiness,
  })
  app.get('/v1/api/ready', { schema: ready }, async (_request, reply) => {
    const answer = await readiness(engine, node)
    return reply.code(answer.ready ? 200 : 503).send(answer)
  })

  const live = describeRoute({
    summary: 'Does this process still answer?',
    description: 'Depends on nothing else: to start a process again does not bring back its database.',
    open: true,
    answer: Type.Object({ live: Type.Boolean() }),
  })
  app.get('/v1/api/live', { schema: live }, async () => ({ live: true }))
}

async function readiness(engine: Engine, node: NodeState): Promise<Static<typeof Readiness>> {
  const { kubernetes: namespaces } = engine
  const signal = AbortSignal.timeout(CHECK_MS)
  const [database, containers, kubernetes] = await Promise.all([
    inTime(checkStore(engine.db)),
    inTime(engine.runtime.info(signal)),
    namespaces && inTime(Promise.all([...namespaces.values()].map(namespace => namespace.answers(signal)))),
  ])
  const checks = {
    database,
    notifications: engine.wakeups.listening ? ('ok' as const) : ('away' as const),
    vault: engine.identity.state.sealed ? ('away' as const) : ('ok' as const),
    engine: containers,
  }
  const ready = Object.values(checks).every(state => state === 'ok')
  // a node whose cluster is away runs all other jobs: no probe is to take it out of service
  return {
    ready,
    state: node.draining ? 'draining' : 'active',
    checks: { ...checks, ...(kubernetes && { kubernetes }) },
  }
}

/** An unanswered query goes on in the background until its own limit; the probe does not wait for it. */
async function inTime(work: Promise<unknown>): Promise<'ok' | 'away'> {
  const limit = new Promise<'away'>(resolve => setTimeout(resolve, CHECK_MS, 'away').unref())
  return await Promise.race([work.then(() => 'ok' as const).catch(() => 'away' as const), limit])
}
