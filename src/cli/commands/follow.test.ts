import { expect, test } from 'vitest'
import { exitCodeOf } from './follow.ts'

test.each<[string, unknown, number]>([
  ['success', 0, 0],
  ['failed', 3, 3],
  ['failed', 0, 125],
  ['failed', 256, 125],
  ['failed', -1, 255],
  ['failed', undefined, 125],
  ['running', undefined, 125],
])('the exit code of a job that is %s with %s is %i', (status, return_code, code) => {
  expect(exitCodeOf({ status, return_code } as Parameters<typeof exitCodeOf>[0])).toBe(code)
})
