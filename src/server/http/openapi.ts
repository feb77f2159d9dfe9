import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { describeRoute } from './describe.ts'

/** Collects what all routes say of themselves; to be called before the first of them. */
export async function collectDescriptions(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'writ',
        version: '1',
        description:
          'Bodies are JSON whatever their content type says; keys match in any case, null is absent, unknown keys are ignored. ' +
          'Every error has a stable code.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          token: {
            type: 'apiKey',
            in: 'header',
            name: 'X-Auth-Token',
            description: 'A Vault token. X-Vault-Token and Authorization: Bearer work too.',
          },
        },
      },
    },
  })
}

/** `GET /v1/api/openapi.json`. */
export function openapiRoute(app: FastifyInstance): void {
  let text: string | null = null
  const schema = describeRoute({
    summary: 'This description',
    open: true,
    answer: Type.Object({ openapi: Type.String() }, { additionalProperties: true }),
  })
  app.get('/v1/api/openapi.json', { schema }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(text)
  })
}
