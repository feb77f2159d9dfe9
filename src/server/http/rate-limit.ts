import { createHash } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WritError } from '../../protocol/errors.ts'
import { tokenOf } from './auth.ts'

export interface RateLimits {
  /** Requests a minute, 0 for no limit: of one token. */
  readonly rateLimit: number
  /** The same of one address without a good token. */
  readonly rateLimitOpen: number
}

const MINUTE = 60_000

/**
 * Limits how often one token, or one address without a good token, may ask at this node. With a token of its own invention for each
 * request an attacker would have Vault asked without end: each one that Vault refuses counts for his address.
 */
export async function limitRates(
  app: FastifyInstance,
  { rateLimit: mine, rateLimitOpen: open }: RateLimits,
): Promise<void> {
  await app.register(rateLimit, { global: false })
  const ofToken = app.createRateLimit({ max: mine || 1, timeWindow: MINUTE, keyGenerator: tokenKey })
  const ofAddress = app.createRateLimit({ max: open || 1, timeWindow: MINUTE, keyGenerator: request => request.ip })
  type Verdict = Awaited<ReturnType<typeof ofToken>>
  const refuse = (verdict: Verdict, reply: FastifyReply) => {
    if (verdict.isAllowed || !verdict.isExceeded) return
    reply.header('retry-after', verdict.ttlInSeconds)
    throw new WritError('too_many_requests')
  }
  app.addHook('onRequest', async (request, reply) => {
    const named = tokenOf(request) !== null
    if (mine > 0 && named) refuse(await ofToken(request), reply)
    if (open > 0) refuse(await ofAddress(request, { increment: !named }), reply)
  })
  app.addHook('onResponse', async (request, reply) => {
    if (open > 0 && reply.statusCode === 403 && request.caller === null && tokenOf(request)) await ofAddress(request)
  })
}

/** Not the token itself: the table of those who asked must not be a table of tokens. */
function tokenKey(request: FastifyRequest): string {
  return createHash('sha256')
    .update(tokenOf(request)?.reveal() ?? '')
    .digest('base64')
}
