import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Latest } from './latest.ts'

test('a hundred who ask at once cause two runs, and each run began after its askers asked', async () => {
  let clock = 0
  let runs = 0
  const latest = new Latest(async () => {
    runs += 1
    const begun = clock
    await sleep(5)
    return begun
  })
  const answers = Array.from({ length: 100 }, () => {
    clock += 1
    const asked = clock
    return latest.get().then(begun => expect(begun).toBeGreaterThanOrEqual(asked))
  })
  await Promise.all(answers)
  expect(runs).toBe(2)
  expect(latest.idle).toBe(true)
})

test('a failure is told to those who waited for it, and the next run is another one', async () => {
  const plan = [Promise.reject(new Error('away')), Promise.resolve('there'), Promise.resolve('again')]
  plan[0]?.catch(() => {})
  const latest = new Latest(async () => await (plan.shift() as Promise<string>))
  const [first, second] = [latest.get(), latest.get()]
  await expect(first).rejects.toThrow('away')
  expect(await second).toBe('there')
  expect(await latest.get()).toBe('again')
})
