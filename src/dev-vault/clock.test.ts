import { expect, it } from 'vitest'
import { Clock, rfc3339 } from './clock.ts'

it('runs with its source and moves forward', () => {
  let time = 1000
  const clock = new Clock(() => time)
  clock.advance(50)
  time += 5
  expect(clock.now()).toBe(1055)
  expect(() => clock.advance(-1)).toThrow(RangeError)
  expect(() => clock.advance(Number.NaN)).toThrow(RangeError)
})

it('tells those that watch it, as long as they do', () => {
  const clock = new Clock()
  const seen: string[] = []
  const stop = clock.onAdvance(() => seen.push('a'))
  clock.advance(1)
  stop()
  clock.advance(1)
  expect(seen).toEqual(['a'])
})

it('prints times in UTC', () => expect(rfc3339(0)).toBe('1970-01-01T00:00:00.000Z'))
