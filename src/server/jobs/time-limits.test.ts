import { expect, test } from 'vitest'
import { readTimeLimits, UNBOUNDED } from './time-limits.ts'

const code = (name: string) => expect.objectContaining({ code: name })

test('a job that says nothing has the defaults of the administrator, or his maximum', () => {
  expect(readTimeLimits({}, UNBOUNDED)).toEqual({ run: null, queue: null, keep: null })
  expect(readTimeLimits({ timeout: '' }, { ...UNBOUNDED, timeout: 60, timeoutMax: 90 })).toMatchObject({ run: 60 })
  const max = { ...UNBOUNDED, timeoutMax: 90, queueTimeoutMax: 70, retentionMax: 50 }
  expect(readTimeLimits({}, max)).toEqual({ run: 90, queue: 70, keep: null })
})

test('a job says what it wants, as text or as seconds', () => {
  const limits = readTimeLimits({ timeout: '2m', queue_timeout: 30, ttl: '1h' }, { ...UNBOUNDED, timeout: 60 })
  expect(limits).toEqual({ run: 120, queue: 30, keep: 3600 })
})

test('zero is no limit, where there is no maximum', () => {
  expect(readTimeLimits({ timeout: 0 }, { ...UNBOUNDED, timeout: 60 })).toMatchObject({ run: null })
  expect(() => readTimeLimits({ timeout: 0 }, { ...UNBOUNDED, timeoutMax: 60 })).toThrow(code('duration_too_long'))
})

test('a record that nobody wants to keep', () => {
  expect(readTimeLimits({ ttl: 0 }, { ...UNBOUNDED, retentionMax: 50 })).toMatchObject({ keep: 0 })
})

test('more than the maximum is refused, and so is what is no duration', () => {
  const max = { ...UNBOUNDED, timeoutMax: 60, queueTimeoutMax: 60, retentionMax: 60 }
  for (const spec of [{ timeout: 61 }, { queue_timeout: '2m' }, { ttl: '1h' }]) {
    expect(() => readTimeLimits(spec, max)).toThrow(code('duration_too_long'))
    expect(() => readTimeLimits(spec, UNBOUNDED)).not.toThrow()
  }
  for (const timeout of ['soon', '-5s', -1, 1.5]) {
    expect(() => readTimeLimits({ timeout }, UNBOUNDED)).toThrow(code('duration_invalid'))
  }
})
