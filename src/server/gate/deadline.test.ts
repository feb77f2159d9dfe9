import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { deadline } from './deadline.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('ends after its time, and says why', () => {
  const { signal } = deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(99)
  expect(signal.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
})

test('the next step has its own time, longer or shorter', () => {
  const limit = deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(90)
  limit.restart(200)
  vi.advanceTimersByTime(190)
  expect(limit.signal.aborted).toBe(false)
  limit.restart(5)
  vi.advanceTimersByTime(5)
  expect(limit.signal.aborted).toBe(true)
})

test('a step that is given more time ends when that is over, and not before', () => {
  const limit = deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(90)
  limit.restart(500)
  vi.advanceTimersByTime(499)
  expect(limit.signal.aborted).toBe(false)
  vi.advanceTimersByTime(2)
  expect(limit.signal.aborted).toBe(true)
})

test('ends with what is around it, also when that has ended already', () => {
  const outer = new AbortController()
  const { signal } = deadline(100, outer.signal)
  outer.abort(new Error('gone'))
  expect(signal.reason).toMatchObject({ message: 'gone' })
  expect(deadline(100, outer.signal).signal.reason).toMatchObject({ message: 'gone' })
})

test('cleared, it ends no more, and holds nothing', () => {
  const outer = new AbortController()
  const limit = deadline(100, outer.signal)
  limit.restart(100)
  limit.clear()
  expect(vi.getTimerCount()).toBe(0)
  outer.abort()
  expect(limit.signal.aborted).toBe(false)
})

test('all steps together take no longer than they may, however often one begins', () => {
  const limit = deadline(100, null, 250)
  for (const step of [80, 80, 80]) {
    vi.advanceTimersByTime(step)
    limit.restart(100)
  }
  expect(limit.signal.aborted).toBe(false)
  vi.advanceTimersByTime(10)
  expect(limit.signal.reason).toMatchObject({ name: 'TimeoutError' })
})

test('ends at once when nobody waits any more, and says why', () => {
  const limit = deadline(100)
  limit.end(new Error('gone'))
  expect(limit.signal.reason).toMatchObject({ message: 'gone' })
  expect(vi.getTimerCount()).toBe(0)
})

test('begun anew after it ended, it stays ended', () => {
  const limit = deadline(100)
  limit.end(new Error('gone'))
  limit.restart(100)
  expect(vi.getTimerCount()).toBe(0)
})
