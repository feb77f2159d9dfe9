import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { WritError } from '../../protocol/errors.ts'
import { JOB_STATES } from '../../protocol/job.ts'
import type { Engine } from '../jobs/engine.ts'
import type { RuntimeInfo } from '../runtimes/runtime.ts'
import { countsOf } from './counts.ts'
import { describeRoute } from './describe.ts'

/** How long the container engine may take; a slow one must not make a probe fail. */
const ENGINE_MS = 2_000

/** What this node knows about itself, changed from outside. */
export interface NodeState {
  draining: boolean
}

/**
 * Routes that need no token. They say how things stand and are no verdict: `health` answers 200 also when something is away, and
 * leaves out what it cannot know.
 */
export function healthRoutes(app: FastifyInstance, engine: Engine, node: NodeState): void {
  const health = describeRoute({
    summary: 'How things stand',
    description: 'No verdict: answers 200 also when something is away. `/v1/api/ready` is one.',
    open: true,
    query: Type.Object({ k: Type.Optional(Type.String({ description: 'One value alone, as bare text.' })) }),
    answer: { 'application/json': Type.Record(Type.String(), Type.String()), 'text/plain': Type.String() },
    errors: ['health_key_invalid', 'store_unavailable'],
  })
  app.get('/v1/api/health', { schema: health }, async (request, reply) => {
    const facts = await collectFacts(engine, node)
    const { k } = request.query as { k?: string }
    if (k === undefined) return facts
    // one value as bare text, for scripts that compare it (gostint.md §2.10)
    if (!Object.hasOwn(facts, k)) throw new WritError('health_key_invalid')
    return reply.type('text/plain; charset=utf-8').send(facts[k])
  })

  const info = describeRoute({
    summary: 'Where Vault is, and the job role',
    open: true,
    answer: Type.Object({
      vault_addr: Type.String(),
      vault_external_addr: Type.String({ description: 'For people and browsers.' }),
      job_role: Type.String(),
    }),
  })
  app.get('/v1/api/vault/info', { schema: info }, async () => ({
    vault_addr: engine.settings.vaultAddr,
    vault_external_addr: engine.settings.vaultExternalAddr || engine.settings.vaultAddr,
    job_role: engine.settings.jobRole,
  }))
}

/** Every value is text, as GoStint's (gostint.md §2.10); counts of jobs are of all nodes, the rest of this one. */
async function collectFacts(engine: Engine, node: NodeState): Promise<Record<string, string>> {
  const { sealed, reason } = engine.identity.state
  const [counts, info] = await Promise.all([
    countsOf(engine.db),
    engine.runtime.info(AbortSignal.timeout(ENGINE_MS)).catch(() => null),
  ])
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return {
    state: node.draining ? 'draining' : 'active',
    sealed: String(sealed),
    reason,
    all_jobs: String(all),
    ...Object.fromEntries(JOB_STATES.map(state => [`${state}_jobs`, String(counts.get(state) ?? 0)])),
    ...(info ? engineFacts(info) : { engine: 'unavailable' }),
  }
}

function engineFacts(info: RuntimeInfo): Record<string, string> {
  return {
    engine: `${info.engine} ${info.version}`,
    containers: String(info.containers.all),
    containers_running: String(info.containers.running),
    containers_paused: String(info.containers.paused),
    containers_stopped: String(info.containers.stopped),
    images: String(info.images),
    mem_total: String(info.memoryBytes),
    architecture: info.architecture,
    operating_system: info.operatingSystem,
  }
}
