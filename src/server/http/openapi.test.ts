import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestHttp, type TestHttp } from '../../../test/http.ts'
import { ERRORS } from '../../protocol/errors.ts'

interface Operation {
  readonly summary?: string
  readonly security?: unknown[]
  readonly parameters?: { name: string; in: string; required?: boolean; description?: string }[]
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}

let t: TestHttp
let document: { openapi: string; paths: Record<string, Record<string, Operation>> }

beforeAll(async () => {
  t = await startTestHttp()
  document = (await t.ask('/v1/api/openapi.json')).body
})
afterAll(() => t.close())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  )

test('every route is in it, and nothing else', () => {
  expect(document.openapi).toBe('3.1.0')
  const described = operations().map(({ name }) => name)
  const there = t.app.knownRoutes
    // paths of watches are Vault's, and say of themselves what they are (`?help=1`)
    .filter(({ method, url }) => method !== 'HEAD' && !/^\/v1\/(?!api\/)/.test(url))
    .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
  expect(described.sort()).toEqual(there.sort())
})

test('every operation says what it is for, what it answers and what may go wrong', () => {
  for (const { name, operation } of operations()) {
    expect(operation.summary, name).toMatch(/^[A-Z].{8,}/)
    expect(Object.keys(operation.responses), name).toEqual(expect.arrayContaining(['200', '429', '500']))
    if (operation.security) expect(Object.keys(operation.responses), name).toContain('403')
    for (const parameter of operation.parameters ?? []) expect(parameter.description, name).toBeTruthy()
    for (const code of JSON.stringify(operation.responses).matchAll(/`([a-z]+_[a-z_]+)`: /g))
      expect(Object.keys(ERRORS), name).toContain(code[1])
  }
})

/** What the document says of an answer, checked by a validator that is not the one of the server. */
function check(method: string, path: string, status: number, body: unknown): void {
  const operation = document.paths[path]?.[method.toLowerCase()]
  const schema = operation?.responses[status]?.content?.['application/json']?.schema
  expect(schema, `${method} ${path} ${status}`).toBeDefined()
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } })
  const validate = ajv.compile(schema ?? false)
  expect(validate(body), JSON.stringify(validate.errors)).toBe(true)
}

test('real answers are as it says', async () => {
  const id = await t.queue()
  const root = t.stack.root
  const stranger = await t.stack.token({ policies: ['default'] })
  for (const [method, path, token, url = path] of [
    ['GET', '/v1/api/job', root, '/v1/api/job?limit=2'],
    ['GET', '/v1/api/job', root, '/v1/api/job?limit=0'],
    ['GET', '/v1/api/job', null, '/v1/api/job'],
    ['POST', '/v1/api/job', root, '/v1/api/job'],
    ['GET', '/v1/api/job/{id}', root, `/v1/api/job/${id}`],
    ['GET', '/v1/api/job/{id}', stranger, `/v1/api/job/${id}`],
    ['GET', '/v1/api/job/{id}', root, '/v1/api/job/none'],
    ['POST', '/v1/api/job/kill/{id}', root, `/v1/api/job/kill/${id}`],
    ['DELETE', '/v1/api/job/{id}', root, `/v1/api/job/${id}`],
    ['DELETE', '/v1/api/job/{id}', root, `/v1/api/job/${id}`],
    ['GET', '/v1/api/queues', root],
    ['GET', '/v1/api/health', null],
    ['GET', '/v1/api/health', null, '/v1/api/health?k=none'],
    ['GET', '/v1/api/vault/info', null],
    ['GET', '/v1/api/ready', null],
    ['GET', '/v1/api/live', null],
    ['GET', '/v1/api/openapi.json', null],
  ] as const) {
    const answer = await t.ask(url, token, { method })
    expect(answer.http, url).not.toBe(500)
    check(method, path, answer.http, answer.body)
  }
})
