import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration } from './duration.ts'

test.each([
  ['90s', 90],
  ['30m', 1800],
  ['1h30m', 5400],
  ['1.5h', 5400],
  ['7d', 604_800],
  ['500ms', 1],
  ['1s1ms', 2],
  ['0', 0],
  ['0s', 0],
  ['45', 45],
  [' 45 ', 45],
  [45, 45],
  [0, 0],
])('%s is %d seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each([
  '',
  's',
  '5x',
  '-5s',
  '+5s',
  '5 m',
  '1h 30m',
  '1e3',
  '0x10',
  '1.s',
  '.5s',
  '11y',
  '9999999h',
  '5m5',
  'Infinity',
])('%s is none', text => {
  expect(parseDuration(text)).toBeNull()
})

test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e12])('the number %d is none', value => {
  expect(parseDuration(value)).toBeNull()
})

test('whatever it is given, it answers at once, with a number or null', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.hmsd]{0,80}$/)), text => {
      const seconds = parseDuration(text)
      return seconds === null || (Number.isInteger(seconds) && seconds >= 0)
    }),
  )
})

test('hours, minutes and seconds add up', () => {
  const part = fc.nat(1000)
  fc.assert(fc.property(part, part, part, (h, m, s) => parseDuration(`${h}h${m}m${s}s`) === h * 3600 + m * 60 + s))
})
