import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOSTILE_COMMITS } from '../../../../test/repositories/hostile-commits.ts'
import { HOSTILE_KEYS } from '../../../../test/repositories/hostile-keys.ts'
import { HOSTILE_NOTES } from '../../../../test/repositories/hostile-notes.ts'
import { Judged } from '../../../../test/repositories/judged.ts'
import { WritError } from '../../../protocol/errors.ts'

const HOSTILE = [...HOSTILE_COMMITS, ...HOSTILE_KEYS, ...HOSTILE_NOTES]
const judged = new Judged()
beforeAll(() => judged.make(HOSTILE), 180_000)
afterAll(() => judged.close())

test('there are at least 150, each with a name of its own', () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(150)
  expect(new Set(HOSTILE.map(({ name }) => name)).size).toBe(HOSTILE.length)
})

test.each(HOSTILE)('$name', async one => {
  const { made, verdict } = await judged.judge(one)
  expect(verdict).toBeInstanceOf(WritError)
  expect(verdict).toMatchObject({ code: made.code ?? 'quorum_not_met' })
})
