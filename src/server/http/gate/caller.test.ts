import { EventEmitter } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LOOKUP_MS } from '../../gate/verify.ts'
import { callerOf, untilGone } from './caller.ts'

const asking = (authorization?: string) =>
  callerOf({ socket: { remoteAddress: '192.0.2.7' }, headers: { authorization } } as unknown as FastifyRequest)

test.each(['Bearer abc', 'bearer abc', 'BEARER   abc'])('%s is a proof', authorization => {
  expect(asking(authorization).proof?.reveal()).toBe('abc')
})

test.each([undefined, '', 'Basic abc', 'Bearer', 'Bearer a b', 'xBearer abc'])('%s is none', authorization => {
  expect(asking(authorization)).toEqual({ address: '192.0.2.7' })
})

describe('whoever waits', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const answering = () =>
    Object.assign(new EventEmitter(), { closed: false, destroyed: false, writableFinished: false })
  const waiting = (raw: ReturnType<typeof answering>, ms: number) =>
    untilGone({ raw } as unknown as Pick<FastifyReply, 'raw'>, ms)

  test('does so for the scheduler first, and then for what follows, as long as for all together', () => {
    const limit = waiting(answering(), 3 * LOOKUP_MS)
    for (let step = 0; step < 3; step++) {
      vi.advanceTimersByTime(LOOKUP_MS - 1)
      expect(limit.aborted).toBe(false)
      limit.restart(LOOKUP_MS)
    }
    vi.advanceTimersByTime(3)
    expect(limit.aborted).toBe(true)
  })

  test('does so for one step no longer than a scheduler may take', () => {
    const limit = waiting(answering(), 3 * LOOKUP_MS)
    vi.advanceTimersByTime(LOOKUP_MS)
    expect(limit.aborted).toBe(true)
  })

  test('does so no longer than allowed, if that is less', () => {
    const limit = waiting(answering(), 100)
    vi.advanceTimersByTime(100)
    expect(limit.aborted).toBe(true)
  })

  test('and hangs up is gone; with an answer he is served, and nothing is left', () => {
    const [left, served] = [answering(), answering()]
    const [gone, done] = [waiting(left, 1_000), waiting(served, 1_000)]
    left.emit('close')
    served.writableFinished = true
    served.emit('close')
    expect(gone.reason).toMatchObject({ message: 'the caller is gone' })
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(2_000)
    expect(done.aborted).toBe(false)
  })
})
