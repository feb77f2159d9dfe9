import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { ERRORS, type ErrorCode, errorBody, WritError } from './errors.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]

test.each(codes)('%s: a code in words, a status, a cause and a remedy', code => {
  const { http, status, cause, remedy } = ERRORS[code]
  expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
  expect(http).toBeGreaterThanOrEqual(400)
  expect(http).toBeLessThan(600)
  for (const text of [status, cause, remedy]) expect(text.trim()).not.toBe('')
  expect(remedy).toMatch(/[.]$/)
  expect(cause).not.toMatch(/[.]$/)
})

test('no two have the same cause', () => {
  expect(new Set(codes.map(code => ERRORS[code].cause)).size).toBe(codes.length)
})

test("what GoStint's clients and tests look for", () => {
  expect(ERRORS.job_not_found).toMatchObject({ http: 404, status: 'Not Found.', cause: 'not found' })
  expect(ERRORS.job_id_invalid).toMatchObject({ http: 400, status: 'Invalid job request.' })
  expect(ERRORS.job_id_invalid.cause).toContain('Invalid job ID')
  expect(ERRORS.token_missing).toMatchObject({ http: 400, status: 'Invalid request.', cause: 'Missing X-Auth-Token' })
  expect(ERRORS.body_empty).toMatchObject({ http: 400, status: 'Invalid job request.', cause: 'EOF' })
  for (const code of ['body_not_json', 'body_invalid', 'wrap_missing', 'job_running'] as const)
    expect(ERRORS[code]).toMatchObject({ http: 400, status: 'Invalid job request.' })
  expect(ERRORS.health_key_invalid).toMatchObject({ http: 400, status: 'Invalid request.' })
  expect(ERRORS.health_key_invalid.cause).toBe('Invalid health metric key')
  expect(ERRORS.token_refused).toMatchObject({ http: 403, status: 'Permission Denied.' })
  expect(ERRORS.queue_mismatch.cause).toContain('qnames do not match')
})

test('an answer holds code, cause with its detail, and remedy, and nothing of what caused it', () => {
  const error = new WritError('body_invalid', 'qname must be string', { cause: new Error('canary') })
  expect(errorBody(error)).toEqual({
    status: 'Invalid job request.',
    error: `${ERRORS.body_invalid.cause}: qname must be string`,
    code: 'body_invalid',
    remedy: ERRORS.body_invalid.remedy,
  })
  expect(JSON.stringify(errorBody(error))).not.toContain('canary')
  expect(inspect(error)).toContain('canary')
  expect(errorBody(new WritError('job_not_found')).error).toBe('not found')
})

test('the words of others: no more than anybody reads, and nothing that a database refuses', () => {
  const { message, detail } = new WritError('watch_request_failed', `a\0b\ud83d${'x'.repeat(10_000_000)}`)
  expect(detail).toMatch(/^a\ufffdb\ufffdxxx/)
  expect(detail?.length).toBeLessThan(5_000)
  expect(message).toBe(`${ERRORS.watch_request_failed.cause}: ${detail}`)
  // cut within a pair
  expect(new WritError('internal', `${'x'.repeat(4_095)}\u{1f600}`).detail?.isWellFormed()).toBe(true)
  expect(new WritError('internal', 'short \u{1f600}\n').detail).toBe('short \u{1f600}\n')
})
