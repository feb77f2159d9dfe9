import type { FastifyReply, FastifyRequest } from 'fastify'
import { Secret } from '../../../vault/secret.ts'
import { peerOf } from '../../gate/schedulers/peer.ts'
import type { Caller } from '../../gate/schedulers/scheduler.ts'

/** Who asks, by the connection itself; headers that a proxy would set are anybody's word and are not read. */
export function callerOf(request: FastifyRequest): Caller {
  const { remoteAddress = '' } = request.socket
  const bearer = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const peer = remoteAddress === '' ? peerOf(request.socket) : undefined
  return {
    address: remoteAddress,
    ...(peer ? { peer } : {}),
    ...(bearer ? { proof: new Secret(bearer) } : {}),
  }
}

/**
 * For whom requests are counted: an address, or on a Unix socket the container, else the user. The attack: there all had no address,
 * so one container could use up what all others may ask.
 */
export function countedAs(request: FastifyRequest): string {
  if (request.ip) return request.ip
  const peer = peerOf(request.socket)
  return peer?.container ?? `user ${peer?.uid ?? 'unknown'}`
}

/** Aborts when the caller hangs up before the answer has been sent, or after `ms`. */
export function untilGone({ raw }: Pick<FastifyReply, 'raw'>, ms: number): AbortSignal {
  const gone = new AbortController()
  const timer = setTimeout(() => gone.abort(new DOMException('no answer in time', 'TimeoutError')), ms)
  const look = () => {
    if (!raw.writableFinished) gone.abort(new Error('the caller is gone'))
    clearTimeout(timer)
  }
  // gone before anybody listened: no event comes any more
  if (raw.closed || raw.destroyed) look()
  else raw.once('close', look)
  return gone.signal
}
