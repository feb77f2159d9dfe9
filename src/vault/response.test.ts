import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseResponse } from './response.ts'

const wire = (json: string): unknown => JSON.parse(json)

test('everything in its place', () => {
  const answer = parseResponse({
    lease_id: 'database/creds/app/1',
    lease_duration: 60,
    renewable: true,
    data: { user: 'u' },
    warnings: ['old'],
    auth: {
      client_token: 't',
      accessor: 'a',
      policies: ['default'],
      entity_id: 'e',
      lease_duration: 5,
      renewable: true,
    },
    wrap_info: { token: 'w', accessor: 'b', ttl: 7, creation_path: 'sys/wrapping/wrap' },
  })
  expect(answer).toMatchObject({
    data: { user: 'u' },
    warnings: ['old'],
    lease: { id: 'database/creds/app/1', seconds: 60, renewable: true },
    auth: { accessor: 'a', policies: ['default'], entityId: 'e', leaseSeconds: 5, renewable: true },
    wrap: { accessor: 'b', ttl: 7, creationPath: 'sys/wrapping/wrap' },
  })
  expect([answer.auth?.token.reveal(), answer.wrap?.token.reveal()]).toEqual(['t', 'w'])
})

test('what is missing or null is nothing', () => {
  const nothing = { data: null, auth: null, wrap: null, warnings: [], lease: { id: '', seconds: 0, renewable: false } }
  expect(parseResponse({})).toEqual(nothing)
  expect(parseResponse({ data: null, auth: null, wrap_info: null, warnings: null, lease_id: null })).toEqual(nothing)
})

/** JSON that looks a little like an answer of Vault, so that chance gets past the first check. */
const almost = fc.record(
  {
    data: fc.jsonValue(),
    warnings: fc.jsonValue(),
    lease_id: fc.jsonValue(),
    lease_duration: fc.jsonValue(),
    auth: fc.record(
      {
        client_token: fc.oneof(fc.string(), fc.jsonValue()),
        accessor: fc.oneof(fc.string(), fc.jsonValue()),
        lease_duration: fc.oneof(fc.nat(), fc.jsonValue()),
        policies: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    wrap_info: fc.oneof(fc.jsonValue(), fc.record({ token: fc.string(), ttl: fc.jsonValue() })),
  },
  { requiredKeys: [] },
)

test('whatever JSON comes: an answer of the promised shape or a TypeError, and never the tokens in it', () => {
  fc.assert(
    fc.property(fc.oneof(almost, fc.jsonValue()), value => {
      const body = wire(JSON.stringify(value))
      try {
        const answer = parseResponse(body)
        expect(answer.data === null || typeof answer.data === 'object').toBe(true)
        expect(answer.warnings.every(text => typeof text === 'string')).toBe(true)
        expect(typeof answer.lease.seconds).toBe('number')
        if (answer.auth) expect(typeof answer.auth.token.reveal()).toBe('string')
        if (answer.wrap) expect(typeof answer.wrap.ttl).toBe('number')
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError)
      }
    }),
    { numRuns: 500 },
  )
})

test('an error says which part is wrong and not what it held', () => {
  const canary = 'hvs.canary-in-the-wrong-place'
  for (const body of [
    [canary],
    { auth: { client_token: [canary] } },
    { auth: { client_token: 't', accessor: 'a', lease_duration: canary } },
    { wrap_info: { token: { canary } } },
  ]) {
    const error = (() => {
      try {
        return parseResponse(body)
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(TypeError)
    expect(inspect(error, { depth: null })).not.toContain(canary)
  }
})

test('what is parsed can be printed without its tokens', () => {
  const body = {
    auth: { client_token: 'hvs.canary', accessor: 'a', lease_duration: 1 },
    wrap_info: { token: 'hvs.canary', accessor: 'a', ttl: 1, creation_path: 'p' },
  }
  const answer = parseResponse(body)
  expect(inspect(answer, { depth: null }) + JSON.stringify(answer)).not.toContain('hvs.canary')
})
