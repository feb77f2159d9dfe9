import { expect, test } from 'vitest'
import { matchesWhole } from './regexp.ts'

test('all of the text, also of an expression with alternatives', () => {
  for (const text of ['web', 'api']) expect(matchesWhole('web|api', text)).toBe(true)
  for (const text of ['website', 'my-api', 'web\n', 'webapi', '']) expect(matchesWhole('web|api', text)).toBe(false)
})

test('what is no expression, or takes too long, matches nothing', () => {
  expect(matchesWhole('(', 'x')).toBe(false)
  expect(matchesWhole('(a+)+b', 'a'.repeat(40))).toBe(false)
})
