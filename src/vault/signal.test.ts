import { expect, test } from 'vitest'
import { pause } from './signal.ts'

test('a pause ends by itself, and leaves nothing with the signal', async () => {
  const { signal } = new AbortController()
  await pause(1, signal)
  await pause(1, undefined)
  expect(signal.aborted).toBe(false)
})

test.each([
  ['before', 0],
  ['meanwhile', 5],
])('a signal that ends %s ends it too, with its reason', async (_, ms) => {
  const controller = new AbortController()
  const give = () => controller.abort(new Error('gone'))
  if (ms === 0) give()
  else setTimeout(give, ms)
  await expect(pause(600_000, controller.signal)).rejects.toThrow('gone')
})
