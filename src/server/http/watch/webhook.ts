import type { FastifyInstance } from 'fastify'
import { takePush } from '../../watch/push.ts'
import type { Watching } from '../../watch/watching.ts'
import { MOUNT } from './mount-pattern.ts'

/** A push event is a list of commits and files; larger ones are cut off by the forges themselves. */
const BODY_BYTES = 5 * 1024 * 1024

/**
 * `POST /v1/<mount>/webhook`: no Vault token, the secret of the webhook is the proof. In a scope of its own, since what is proved is
 * the body as it came, byte for byte.
 */
export function webhookRoute(app: FastifyInstance, { engine }: Watching): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES },
    async (_request: unknown, body: Buffer) => body,
  )
  app.post<{ Params: { mount: string } }>(`/${MOUNT}/webhook`, { schema: { hide: true } }, async (request, reply) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    await takePush(engine, request.params.mount, request.headers, body)
    return reply.code(202).send()
  })
}
