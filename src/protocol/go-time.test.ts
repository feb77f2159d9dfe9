import { expect, test } from 'vitest'
import { goDuration, parseDuration } from './go-time.ts'

test.each([
  [0, '0s'],
  [0.000999, '999ns'],
  [0.163666, '163.666µs'],
  [1.5, '1.5ms'],
  [100, '100ms'],
  [998.781092, '998.781092ms'],
  [1000, '1s'],
  [10_000, '10s'],
  [45_000, '45s'],
  [2257.053034, '2.257053034s'],
  [60_000, '1m0s'],
  [1_500_000, '25m0s'],
  [3_000_000, '50m0s'],
  [3_600_000, '1h0m0s'],
  [21_600_000, '6h0m0s'],
  [7_384_500, '2h3m4.5s'],
  [2_592_000_000, '720h0m0s'],
])('%d ms is %s', (ms, text) => {
  expect(goDuration(ms)).toBe(text)
  expect(parseDuration(text)).toBeCloseTo(ms, 5)
})

test.each([
  ['0', 0],
  ['1h30m', 5_400_000],
  ['90s', 90_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', '5', '-1s', '1d', 's', '1s ', '1 s', '1..5s', 'x'])('%j is no duration', text => {
  expect(() => parseDuration(text)).toThrow()
})
