import { randomUUID } from 'node:crypto'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { WritError } from '../../../protocol/errors.ts'
import { asWritError } from '../errors.ts'

/** What a path answers; null is the empty answer, which on reading means that nothing is there. */
export interface PathAnswer {
  readonly data?: Readonly<Record<string, unknown>>
  readonly warnings?: readonly string[]
}

/** The envelope that Vault puts every answer in. */
export function envelope({ data, warnings }: PathAnswer): Record<string, unknown> {
  return {
    request_id: randomUUID(),
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: data ?? null,
    wrap_info: null,
    warnings: warnings?.length ? warnings : null,
    auth: null,
  }
}

/** Vault's own words where its clients look for them. */
const VAULTS_WORDS: Partial<Record<WritError['code'], string>> = {
  token_missing: 'missing client token',
  token_refused: 'permission denied',
  watch_not_permitted: 'permission denied',
  body_not_json: 'error parsing JSON',
}

/** Errors as Vault's clients read them: a list of texts; code and remedy are ours. */
export function answerVaultError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = asWritError(error, request)
  const { http, remedy } = known.entry
  if (http >= 500) request.log.error({ err: error, code: known.code }, 'a request failed')
  else request.log.info({ code: known.code, reason: known.message }, 'a request was refused')
  const words = VAULTS_WORDS[known.code]
  const errors = words ? [words] : [known.message]
  return send(reply.code(http), { errors, code: known.code, remedy })
}

/** JSON that no cache keeps. */
export function send(reply: FastifyReply, body: unknown): FastifyReply {
  return reply.header('cache-control', 'no-store').type('application/json').send(JSON.stringify(body))
}
