import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { errorBody, WritError } from '../../protocol/errors.ts'
import { asUnavailable } from '../jobs/caller.ts'

/** Turns whatever went wrong into an answer of the error registry. */
export function answerError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = asWritError(error, request)
  const body = errorBody(known)
  if (known.entry.http >= 500) request.log.error({ err: error, code: known.code }, 'a request failed')
  else request.log.info({ code: known.code, reason: known.message }, 'a request was refused')
  return reply.code(known.entry.http).type('application/json; charset=utf-8').send(body)
}

/** Whatever went wrong, as an error of the registry. */
export function asWritError(error: FastifyError | Error, request: FastifyRequest): WritError {
  const translated = asUnavailable(error)
  if (translated instanceof WritError) return translated
  switch ((error as FastifyError).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new WritError('body_too_large')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new WritError('body_not_json')
    case 'FST_ERR_BAD_URL':
      return new WritError('route_not_found')
    default:
      if (isStoreAway(error)) return new WritError('store_unavailable', undefined, { cause: error })
      return new WritError('internal', `request ${request.id}`, { cause: error })
  }
}

/**
 * Nobody there, a connection that broke (class 08), no place (53: disk, memory, connections), an operator or a limit of time that ended it (57, 25P0x), a disk that fails (58), a
 * login that is refused (28), a server that takes no writes. None of them is a defect of ours.
 */
const AWAY_CODES =
  /^(ECONNREFUSED|ECONNRESET|ENOENT|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|(08|28|53|57|58)...|25006|25P0[34])$/
/** Errors of the driver that have no code; the last two of a rollback on a connection that broke, which hide why it did. */
const AWAY_TEXTS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/

function isStoreAway(error: Error): boolean {
  return AWAY_CODES.test((error as { code?: string }).code ?? '') || AWAY_TEXTS.test(error.message)
}
