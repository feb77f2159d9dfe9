import { expect, test, vi } from 'vitest'
import { upTo, writtenBefore } from './output-bound.ts'

async function* lines(count: number) {
  for (let n = 0; n < count; n += 1) yield { stream: 'stdout', data: Buffer.from('1234567890') } as const
}

test.each([
  ['exactly as much', 30, 0, 0],
  ['a byte more', 29, 0, 1],
  ['much more', 5, 0, 1],
  ['too much before this node took it over', 5, 6, 1],
])('%s: all of it is given, and it is told at most once', async (_, most, before, times) => {
  const full = vi.fn(async () => {})
  let given = 0
  for await (const _frame of upTo(most, before, { output: lines(3) }, full)) given += 1
  expect(given).toBe(3)
  expect(full).toHaveBeenCalledTimes(times)
})

test('what it takes on the disk of its engine counts, where that is more', async () => {
  const full = vi.fn(async () => {})
  let recorded = 0
  const output = upTo(1_000, 0, { output: lines(5), recorded: () => recorded }, full)
  for (const size of [300, 600, 900]) {
    recorded = size
    await output.next()
  }
  expect(full).not.toHaveBeenCalled()
  recorded = 1_200
  await output.next()
  await output.next()
  expect(full).toHaveBeenCalledOnce()
})

test('positions on Kubernetes are times: what is stored counts', () => {
  const job = { stdout_raw: 9e15, stderr_raw: 0, output_bytes: 10 }
  expect(writtenBefore({ ...job, kubernetes_namespace: 'ci' })).toBe(10)
  expect(writtenBefore({ ...job, stdout_raw: 7, stderr_raw: 2, kubernetes_namespace: null })).toBe(9)
})
