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

/** Aborts when the caller hangs up before the answer has been sent. */
export function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('the caller is gone'))
  })
  return gone.signal
}
