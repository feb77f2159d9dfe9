import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deadline } from './deadline.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('ends after its time, and says why', () => {
  const limit = new Deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(99)
  expect(limit.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect(limit.reason).toMatchObject({ name: 'TimeoutError' })
})

test('the next step has its own time, longer or shorter', () => {
  const limit = new Deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(90)
  limit.restart(200)
  vi.advanceTimersByTime(190)
  expect(limit.aborted).toBe(false)
  limit.restart(5)
  vi.advanceTimersByTime(5)
  expect(limit.aborted).toBe(true)
})

test('a step that is given more time ends when that is over, and not before', () => {
  const limit = new Deadline(100, new AbortController().signal)
  vi.advanceTimersByTime(90)
  limit.restart(500)
  vi.advanceTimersByTime(499)
  expect(limit.aborted).toBe(false)
  vi.advanceTimersByTime(2)
  expect(limit.aborted).toBe(true)
})

test('ends with what is around it, also when that has ended already', () => {
  const outer = new AbortController()
  const limit = new Deadline(100, outer.signal)
  outer.abort(new Error('gone'))
  expect(limit.reason).toMatchObject({ message: 'gone' })
  expect(new Deadline(100, outer.signal).reason).toMatchObject({ message: 'gone' })
})

test('cleared, it ends no more, and holds nothing', () => {
  const outer = new AbortController()
  const limit = new Deadline(100, outer.signal)
  limit.restart(100)
  limit.clear()
  expect(vi.getTimerCount()).toBe(0)
  outer.abort()
  expect(limit.aborted).toBe(false)
})

test('all steps together take no longer than they may, however often one begins', () => {
  const limit = new Deadline(100, null, 250)
  for (const step of [80, 80, 80]) {
    vi.advanceTimersByTime(step)
    limit.restart(100)
  }
  expect(limit.aborted).toBe(false)
  vi.advanceTimersByTime(10)
  expect(limit.reason).toMatchObject({ name: 'TimeoutError' })
})

test('ends at once when nobody waits any more, and says why', () => {
  const limit = new Deadline(100)
  limit.end(new Error('gone'))
  expect(limit.reason).toMatchObject({ message: 'gone' })
  expect(vi.getTimerCount()).toBe(0)
})

test('begun anew after it ended, it stays ended', () => {
  const limit = new Deadline(100)
  limit.end(new Error('gone'))
  for (const ms of [50, 100, 200]) limit.restart(ms)
  expect(vi.getTimerCount()).toBe(0)
})

test('tells each listener once, and none that was taken away, before or meanwhile', () => {
  const limit = new Deadline(100)
  const heard: string[] = []
  const away = () => void heard.push('away')
  limit.addEventListener('abort', away)
  limit.addEventListener('abort', () => void heard.push('first'))
  limit.addEventListener('abort', () => void heard.push('second'))
  limit.removeEventListener('abort', away)
  limit.end(new Error('gone'))
  limit.end(new Error('again'))
  vi.advanceTimersByTime(200)
  expect(heard).toEqual(['first', 'second'])
  expect(limit.reason).toMatchObject({ message: 'gone' })
})

test('for those who want an AbortSignal, before and after its end', () => {
  const limit = new Deadline(100)
  const before = limit.toAbortSignal()
  expect(before.aborted).toBe(false)
  vi.advanceTimersByTime(100)
  expect(before.reason).toMatchObject({ name: 'TimeoutError' })
  expect(limit.toAbortSignal().reason).toBe(before.reason)
})
