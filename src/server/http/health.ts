import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { Engine } from '../jobs/engine.ts'

const Health = Type.Object({ state: Type.String(), sealed: Type.String(), reason: Type.String() })

/** Routes that need no token. */
export function healthRoutes(app: FastifyInstance, engine: Engine): void {
  // every value is text, as GoStint's (gostint.md §2.10)
  app.get('/v1/api/health', { schema: { response: { 200: Health } } }, async () => {
    const { sealed, reason } = engine.identity.state
    return { state: 'active', sealed: String(sealed), reason }
  })

  app.get('/v1/api/vault/info', async () => ({
    vault_addr: engine.settings.vaultAddr,
    vault_external_addr: engine.settings.vaultAddr,
    job_role: engine.settings.jobRole,
  }))
}
