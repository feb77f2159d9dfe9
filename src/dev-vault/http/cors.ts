import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuse, VaultError } from '../errors.ts'
import type { Cors } from '../sys/cors.ts'

const METHODS = ['DELETE', 'GET', 'OPTIONS', 'POST', 'PUT', 'LIST']

/**
 * What a browser is told about requests from other origins, before anything else is looked at. Answers whether the request has its answer
 * with that. Off, as it is at first, nothing is said, and a browser keeps other people's pages away.
 * @throws VaultError for an origin that is not allowed
 */
export function answerCors(cors: Cors, message: IncomingMessage, response: ServerResponse): boolean {
  const { origin } = message.headers
  // Only browsers name an origin.
  if (cors.origins.length === 0 || origin === undefined) return false
  if (!cors.allows(origin)) throw refuse(403, 'origin not allowed')
  const preflight = message.method === 'OPTIONS'
  if (preflight && !METHODS.includes(String(message.headers['access-control-request-method'])))
    throw new VaultError(405, [])
  response.setHeader('Access-Control-Allow-Origin', origin)
  // A cache must not hand the answer for one origin to another.
  response.setHeader('Vary', 'Origin')
  if (!preflight) return false
  response.setHeader('Access-Control-Allow-Methods', METHODS.join(','))
  response.setHeader('Access-Control-Allow-Headers', cors.headers.join(','))
  response.setHeader('Access-Control-Max-Age', '300')
  response.writeHead(200, { 'Cache-Control': 'no-store', 'Content-Length': 0 }).end()
  return true
}
