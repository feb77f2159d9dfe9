import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

/** Actions that end when they are told to, and how many are at work. */
function work() {
  const ends: (() => void)[] = []
  let atWork = 0
  const act = async () => {
    atWork += 1
    await new Promise<void>(resolve => ends.push(resolve))
    atWork -= 1
  }
  const settle = async () => await new Promise(resolve => setTimeout(resolve))
  const end = async () => {
    ends.shift()?.()
    await settle()
  }
  return { act, atWork: () => atWork, end, settle }
}

test('one at a time for each, a few at once for all, and not more than a few wait', async () => {
  const turns = new Turns(2)
  const { act, atWork, end, settle } = work()
  const all = ['a', 'a', 'a', 'a', 'b', 'c'].map(key => turns.take(key, act))
  await settle()
  expect(atWork()).toBe(2)
  await expect(turns.take('a', act)).rejects.toMatchObject({ code: 'watch_plan_busy' })
  for (let n = 0; n < 6; n += 1) {
    expect(atWork()).toBeLessThanOrEqual(2)
    await end()
  }
  await Promise.all(all)
  expect(atWork()).toBe(0)
  // nothing is left of it
  const again = turns.take('a', act)
  await settle()
  await end()
  await again
})

test('one that fails gives its turn on', async () => {
  const turns = new Turns(1)
  const failing = turns.take('a', async () => {
    throw new Error('x')
  })
  const next = turns.take('a', async () => 'done')
  await expect(failing).rejects.toThrow('x')
  expect(await next).toBe('done')
})
