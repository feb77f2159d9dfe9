import { expect, test } from 'vitest'
import { together } from './together.ts'

/** Something that answers when the test says so, and notes what it was asked for at once. */
function gated() {
  const asked: number[][] = []
  const gates: (() => void)[] = []
  const act = async (items: readonly number[]) => {
    asked.push([...items])
    await new Promise<void>(resolve => gates.push(resolve))
    if (items.includes(13)) throw new Error('not that one')
    return items.map(item => item * 2)
  }
  return { act, asked, open: () => gates.shift()?.() }
}

const soon = () => new Promise(resolve => setImmediate(resolve))

test('what comes alone goes at once, what comes meanwhile goes together, each with its own answer', async () => {
  const { act, asked, open } = gated()
  const double = together(act)
  const first = double(1)
  await soon()
  const others = [double(2), double(3), double(4)]
  await soon()
  expect(asked).toEqual([[1]])
  open()
  expect(await first).toBe(2)
  await soon()
  expect(asked).toEqual([[1], [2, 3, 4]])
  open()
  expect(await Promise.all(others)).toEqual([4, 6, 8])
  const later = double(5)
  await soon()
  open()
  expect(await later).toBe(10)
})

test('what is asked in one breath goes together from the start', async () => {
  const { act, asked, open } = gated()
  const double = together(act)
  const both = [double(1), double(2)]
  await soon()
  open()
  expect(await Promise.all(both)).toEqual([2, 4])
  expect(asked).toEqual([[1, 2]])
})

test('a batch that fails is done one by one: only the bad one fails, and what comes later is done', async () => {
  const { act, asked, open } = gated()
  const double = together(act)
  const all = Promise.allSettled([double(1), double(13), double(3)])
  await soon()
  open()
  await soon()
  for (let n = 0; n < 3; n += 1) open()
  expect((await all).map(one => (one.status === 'fulfilled' ? one.value : one.reason.message))).toEqual([
    2,
    'not that one',
    6,
  ])
  expect(asked).toEqual([[1, 13, 3], [1], [13], [3]])
  const later = double(4)
  await soon()
  open()
  expect(await later).toBe(8)
})

test('no batch grows without limit', async () => {
  const sizes: number[] = []
  const same = together(async (items: readonly number[]) => {
    sizes.push(items.length)
    return items
  })
  const numbers = Array.from({ length: 1000 }, (_, n) => n)
  expect(await Promise.all(numbers.map(same))).toEqual(numbers)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(250)
})

test('a batch that hangs keeps no later one waiting', async () => {
  const hanging = Promise.withResolvers<void>()
  const same = together(async (items: readonly number[]) => {
    if (items.includes(1)) await hanging.promise
    return items
  })
  const first = same(1)
  await soon()
  expect(await same(2)).toBe(2)
  hanging.resolve()
  expect(await first).toBe(1)
})
