import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { StatusBody } from '../status.ts'
import { page, type Sent } from './page.ts'
import { STYLE } from './style.ts'

const HASH = createHash('sha256').update(STYLE).digest('base64')

/** Nothing is loaded, nothing runs, forms go here and nobody frames it. */
const POLICY = `default-src 'none'; style-src 'sha256-${HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`

export async function sendPage(reply: FastifyReply, status: StatusBody, sent: Sent): Promise<FastifyReply> {
  return await reply
    .type('text/html; charset=utf-8')
    .headers({
      'content-security-policy': POLICY,
      'cache-control': 'no-store',
      // same-origin and not no-referrer: with that, a browser says of its own forms that they come from nowhere
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
    .send(page(status, sent))
}
