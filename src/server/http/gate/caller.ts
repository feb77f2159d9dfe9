import type { FastifyReply, FastifyRequest } from 'fastify'
import { Secret } from '../../../vault/secret.ts'
import { Deadline } from '../../gate/deadline.ts'
import { peerOf } from '../../gate/schedulers/peer.ts'
import type { Caller } from '../../gate/schedulers/scheduler.ts'
import { LOOKUP_MS } from '../../gate/verify.ts'

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

/** Ends when the caller hangs up before the answer has been sent, or after `ms`, whatever the steps in it take. */
export function untilGone({ raw }: Pick<FastifyReply, 'raw'>, ms: number): Deadline {
  const limit = new Deadline(Math.min(ms, LOOKUP_MS), null, ms)
  const look = () => {
    if (raw.writableFinished) limit.clear()
    else limit.end(new Error('the caller is gone'))
  }
  // gone before anybody listened: no event comes any more
  if (raw.closed || raw.destroyed) look()
  else raw.once('close', look)
  return limit
}
