import { setImmediate as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Database } from '../store/database.ts'
import { outputPassed } from './collect.ts'
import { offerToFollowers, openFeed } from './feed.ts'

const MEGABYTE = 2 ** 20

/** The most that buffers took, in MB above what they took before, while so many megabytes went through `use`. */
async function mostBuffers(megabytes: number, use: (data: Buffer, at: number) => void): Promise<number> {
  const taken = () => process.memoryUsage().arrayBuffers / MEGABYTE
  const before = taken()
  let most = 0
  for (let n = 0; n < megabytes; n += 1) {
    use(Buffer.allocUnsafeSlow(MEGABYTE).fill('x'), n * MEGABYTE)
    outputPassed(MEGABYTE)
    await pause()
    most = Math.max(most, taken() - before)
  }
  return most
}

// V8 by itself lets them become 64 MB
test('buffers of an output that has gone through do not pile up', async () => {
  expect(await mostBuffers(256, () => {})).toBeLessThan(40)
})

test('what followers have passed does not pile up either', async () => {
  const db = {} as Database
  const { close } = openFeed(db, 'job')
  try {
    const most = await mostBuffers(256, (data, start) =>
      offerToFollowers(db, 'job', [{ stream: 'stdout', data, start }]),
    )
    expect(most).toBeLessThan(40)
  } finally {
    close()
  }
})
