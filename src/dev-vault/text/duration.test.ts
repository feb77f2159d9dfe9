import { describe, expect, it } from 'vitest'
import { DurationError, formatDuration, formatShort, parseSeconds } from './duration.ts'

describe('parseSeconds', () => {
  it.each([
    [90, 90],
    ['90', 90],
    ['90s', 90],
    ['1h30m', 5400],
    ['1h1m1s', 3661],
    ['1500ms', 1.5],
    ['1d', 86_400],
    ['-5s', -5],
    ['', 0],
    [null, 0],
    [undefined, 0],
  ])('%j is %d s', (input, seconds) => {
    expect(parseSeconds(input)).toBe(seconds)
  })

  it.each(['abc', 'soon', '5 parsecs', '1h 2m', 's', '-s', 'h1', '1.2.3s', '٣s', {}, [], true])('%j is none', input => {
    expect(() => parseSeconds(input)).toThrow(DurationError)
  })
})

describe('printing', () => {
  it('prints as Go does', () => {
    expect([0, 19, 60, 12_319, 2_764_800].map(formatDuration)).toEqual(['0s', '19s', '1m0s', '3h25m19s', '768h0m0s'])
  })

  it('drops what is zero at the end', () => {
    expect([0, 60, 3600, 3601, 3660, 2_764_800].map(formatShort)).toEqual(['0s', '1m', '1h', '1h0m1s', '1h1m', '768h'])
  })
})

it.each([1e300, -1e300, '1e5000h', '99999999999', '99999999999h', 9_223_372_037])(
  '%s is longer than any duration',
  value => {
    expect(() => parseSeconds(value)).toThrow(DurationError)
  },
)

it('292 years are a duration', () => {
  expect(parseSeconds(9_223_372_036)).toBe(9_223_372_036)
})
