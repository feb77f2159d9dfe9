import type { FastifyInstance } from 'fastify'
import { WritError } from '../../protocol/errors.ts'
import { JOB_STATES } from '../../protocol/job.ts'
import type { Engine } from '../jobs/engine.ts'
import type { RuntimeInfo } from '../runtimes/runtime.ts'
import { countByStatus } from '../store/jobs.ts'

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
  app.get('/v1/api/health', async (request, reply) => {
    const facts = await collectFacts(engine, node)
    const { k } = request.query as { k?: string }
    if (k === undefined) return facts
    // one value as bare text, for scripts that compare it (gostint.md §2.10)
    if (!Object.hasOwn(facts, k)) throw new WritError('health_key_invalid')
    return reply.type('text/plain; charset=utf-8').send(facts[k])
  })

  app.get('/v1/api/vault/info', async () => ({
    vault_addr: engine.settings.vaultAddr,
    vault_external_addr: engine.settings.vaultExternalAddr || engine.settings.vaultAddr,
    job_role: engine.settings.jobRole,
  }))
}

/** Every value is text, as GoStint's (gostint.md §2.10); counts of jobs are of all nodes, the rest of this one. */
async function collectFacts(engine: Engine, node: NodeState): Promise<Record<string, string>> {
  const { sealed, reason } = engine.identity.state
  const [counts, info] = await Promise.all([
    countByStatus(engine.db),
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
