import type { FastifySchema } from 'fastify'
import type { TObject, TSchema } from 'typebox'
import Type from 'typebox'
import { ErrorBody } from '../../protocol/error-body.ts'
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts'

/** What a route is, for the OpenAPI document; and how its answers are serialised. */
export interface Description {
  readonly summary: string
  readonly description?: string
  /** Whether it needs a Vault token. */
  readonly open?: boolean
  readonly params?: TObject
  readonly query?: TObject
  readonly headers?: TObject
  readonly body?: TSchema
  /** The answer in JSON, or one for each media type. */
  readonly answer: TSchema | Readonly<Record<`${string}/${string}`, TSchema>>
  /** Its 503, if that is an answer like the good one. */
  readonly unready?: TSchema
  /** What it may be refused with, beside what every route may be. */
  readonly errors?: readonly ErrorCode[]
}

const ANYWHERE: readonly ErrorCode[] = ['too_many_requests', 'internal']
const WITH_TOKEN: readonly ErrorCode[] = ['token_missing', 'token_refused', 'vault_unavailable']

/**
 * The schema of a route. The server checks requests with the same schemas, but in the lenient way of GoStint's decoder
 * (`readBody`, `readQuery`), and not by Fastify.
 */
export function describeRoute(route: Description): FastifySchema {
  const { summary, description, open = false, params, query, headers, body, answer, unready, errors = [] } = route
  const byStatus = Map.groupBy([...(open ? [] : WITH_TOKEN), ...errors, ...ANYWHERE], code => ERRORS[code].http)
  return {
    summary,
    ...(description ? { description } : {}),
    ...(open ? {} : { security: [{ token: [] }] }),
    ...(params ? { params } : {}),
    ...(query ? { querystring: query } : {}),
    ...(headers ? { headers } : {}),
    ...(body ? { body } : {}),
    response: {
      200: isSchema(answer) ? answer : { content: contents(answer) },
      ...(unready ? { 503: unready } : {}),
      ...Object.fromEntries([...byStatus].map(([status, codes]) => [status, refusal([...new Set(codes)])])),
    },
  } as FastifySchema
}

/** The id of a job in a path. */
export const IdParam = Type.Object({
  id: Type.String({ pattern: '^\\s*[0-9A-Fa-f]{24}\\s*$', description: 'Of the job: 24 hexadecimal digits.' }),
})

function refusal(codes: readonly ErrorCode[]): TSchema {
  const description = codes.map(code => `\`${code}\`: ${ERRORS[code].cause}.`).join('\n')
  return Type.Object(ErrorBody.properties, { description })
}

function contents(answers: Readonly<Record<string, TSchema>>): Record<string, { schema: TSchema }> {
  return Object.fromEntries(Object.entries(answers).map(([type, schema]) => [type, { schema }]))
}

function isSchema(answer: Description['answer']): answer is TSchema {
  return !Object.keys(answer).some(key => key.includes('/'))
}
