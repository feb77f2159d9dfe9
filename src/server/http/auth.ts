import type { FastifyRequest } from 'fastify'
import { Secret } from '../../vault/secret.ts'
import { type Caller, identifyCaller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `requireCaller` before any body is read. */
    caller: Caller | null
    /** The id of the job that it submitted. */
    submitted: string | null
  }
}

/** A hook that lets nobody by whom Vault does not know. Runs before the body is read, so strangers cannot send large ones. */
export function requireCaller(engine: Engine) {
  return async (request: FastifyRequest): Promise<void> => {
    request.caller = await identifyCaller(engine.vault, tokenOf(request))
  }
}

/** The caller of a route behind `requireCaller`. */
export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Error('a route without requireCaller asked for its caller')
  return request.caller
}

/** `X-Auth-Token` (gostint.md §2.2; the first value counts), `X-Vault-Token` or a bearer token. */
export function tokenOf(request: FastifyRequest): Secret | null {
  const { headers } = request
  const bearer = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const header = [headers['x-auth-token'], headers['x-vault-token'], bearer].flat().find(Boolean)
  const token = header?.split(',')[0]?.trim()
  return token ? new Secret(token) : null
}
