import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Trickle } from './trickle.ts'

test('a burst has its lines, a flood a few of them, and the rest is counted by its kind', () => {
  const lines: string[] = []
  let now = 0
  const trickle = new Trickle(pino({}, { write: line => lines.push(line) }), () => now)
  const allowed = (times: number, kind: string) =>
    Array.from({ length: times }, () => trickle.allows(kind)).filter(Boolean).length
  expect(allowed(1_000, 'a')).toBe(1_000)
  expect(allowed(500, 'a')).toBe(0)
  expect(allowed(7, 'b')).toBe(0)
  now += 1_000
  expect(allowed(500, 'a')).toBe(20)
  trickle.tell()
  trickle.tell()
  expect(lines.map(line => JSON.parse(line).without)).toEqual([{ a: 980, b: 7 }])
  // an hour of quiet is worth no more than one burst
  now += 3_600_000
  expect(allowed(5_000, 'a')).toBe(1_000)
})
