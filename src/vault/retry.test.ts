import { beforeEach, expect, test, vi } from 'vitest'
import { withRetry } from './retry.ts'

/** How long each pause was to be; nobody waits for it. */
const pauses: number[] = []
vi.mock('./signal.ts', () => ({ pause: async (ms: number) => void pauses.push(ms) }))
beforeEach(() => pauses.splice(0))

test.each([
  [0, [10, 20, 40]],
  [0.999999, [20, 40, 80]],
])('pauses double, and vary so that many clients do not come back at once (luck %d)', async (luck, expected) => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(luck)
  const attempt = vi.fn(async () => ({ status: 503 }))
  const answer = await withRetry({ retries: 3, firstDelayMs: 20 }, false, undefined, attempt)
  random.mockRestore()
  expect(answer).toEqual({ status: 503 })
  expect(attempt).toHaveBeenCalledTimes(4)
  expect(pauses.map(pause => Math.round(pause))).toEqual(expected)
})

test.each([
  ['ECONNREFUSED', true, true],
  ['UND_ERR_CONNECT_TIMEOUT', true, true],
  ['ENOTFOUND', true, true],
  ['ECONNRESET', true, false],
  ['UND_ERR_SOCKET', true, false],
  ['UND_ERR_HEADERS_TIMEOUT', false, false],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', false, false],
  ['', false, false],
])('%s: a read is repeated %s, a write %s', async (code, read, write) => {
  for (const [readOnly, repeated] of [
    [true, read],
    [false, write],
  ] as const) {
    const attempt = vi.fn(async () => Promise.reject(Object.assign(new Error('broken'), { code })))
    await expect(withRetry({ retries: 1, firstDelayMs: 0 }, readOnly, undefined, attempt)).rejects.toThrow('broken')
    expect(attempt).toHaveBeenCalledTimes(repeated ? 2 : 1)
  }
})
