import { afterAll, beforeAll, expect, test } from 'vitest'
import { GOOD } from '../../../../test/repositories/good.ts'
import { Judged } from '../../../../test/repositories/judged.ts'

const judged = new Judged()
beforeAll(() => judged.make(GOOD), 120_000)
afterAll(() => judged.close())

test('there are at least 60, each with a name of its own', () => {
  expect(GOOD.length).toBeGreaterThanOrEqual(60)
  expect(new Set(GOOD.map(({ name }) => name)).size).toBe(GOOD.length)
})

test.each(GOOD)('$name', async one => {
  const { made, verdict } = await judged.judge(one)
  if (verdict instanceof Error) throw verdict
  expect(verdict.commit).toBe(made.subject)
  expect(verdict.signers.length).toBeGreaterThanOrEqual(made.required ?? 1)
})
