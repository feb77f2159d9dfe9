import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { pause, type Signal } from './signal.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** How many listen to a signal, which no AbortSignal tells. */
class CountedSignal implements Signal {
  readonly listeners = new Set<() => void>()
  aborted = false
  reason: unknown

  addEventListener(_: 'abort', listener: () => void): void {
    this.listeners.add(listener)
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.listeners.delete(listener)
  }

  abort(reason: Error): void {
    Object.assign(this, { aborted: true, reason })
    for (const listener of this.listeners) listener()
  }
}

test('a pause ends by itself, and leaves nothing with the signal', async () => {
  const signal = new CountedSignal()
  const pauses = [pause(100, signal), pause(50, undefined)]
  expect(signal.listeners.size).toBe(1)
  vi.advanceTimersByTime(100)
  await Promise.all(pauses)
  expect(signal.listeners.size).toBe(0)
})

test('a signal that ends meanwhile ends it too, with its reason, and no timer is left', async () => {
  const signal = new CountedSignal()
  const waiting = expect(pause(600_000, signal)).rejects.toThrow('gone')
  signal.abort(new Error('gone'))
  await waiting
  expect([vi.getTimerCount(), signal.listeners.size]).toEqual([0, 0])
})

test('behind a signal that has ended there is none', async () => {
  await expect(pause(600_000, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  expect(vi.getTimerCount()).toBe(0)
})
