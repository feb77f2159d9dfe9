import { expect, test } from 'vitest'
import { podsOf } from './answers.ts'

const endingWith = (exitCode: number) => ({
  items: [
    {
      metadata: { name: 'a', uid: 'a', creationTimestamp: '2026-01-02T03:04:05Z' },
      spec: { containers: [{ name: 'job' }] },
      status: { containerStatuses: [{ name: 'job', state: { terminated: { exitCode } } }] },
    },
  ],
})

test.each([0, 255, -(2 ** 31), 2 ** 31 - 1])('a pod that ended with %d', code => {
  expect(podsOf(endingWith(code))).toHaveLength(1)
})

test.each([2 ** 31, -(2 ** 31) - 1, 2 ** 40, 0.5])('%d is no exit code: who says so is not believed', code => {
  expect(() => podsOf(endingWith(code))).toThrow(expect.objectContaining({ code: 'runtime_unavailable' }))
})
