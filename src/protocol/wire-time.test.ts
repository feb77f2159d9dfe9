import fc from 'fast-check'
import { expect, test } from 'vitest'
import { wireTime } from './wire-time.ts'

test.each([
  [null, '0001-01-01T00:00:00Z'],
  ['2019-08-04T10:00:00.000Z', '2019-08-04T10:00:00Z'],
  ['2019-08-04T10:00:00.120Z', '2019-08-04T10:00:00.12Z'],
  ['2019-08-04T10:00:00.100Z', '2019-08-04T10:00:00.1Z'],
  ['2019-08-04T10:00:00.900Z', '2019-08-04T10:00:00.9Z'],
  ['2019-08-04T10:00:10.001Z', '2019-08-04T10:00:10.001Z'],
  ['2020-10-20T20:00:00.010Z', '2020-10-20T20:00:00.01Z'],
])('%s is %s', (time, text) => {
  expect(wireTime(time === null ? null : new Date(time))).toBe(text)
})

test('no time loses anything, and none ends in a zero behind its point', () => {
  const years = { min: new Date('1970-01-01'), max: new Date('2999-12-31'), noInvalidDate: true }
  fc.assert(
    fc.property(fc.date(years), time => {
      const text = wireTime(time)
      expect(new Date(text)).toEqual(time)
      expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,2}[1-9])?Z$/)
    }),
  )
})
