import { expect, test } from 'vitest'
import { testScheduler } from './test-scheduler.ts'

const scheduler = testScheduler()
const signal = new AbortController().signal

test.each(['', 'anything', 'x.y', 'a/b', 'ünï'])('%j is a task called Test that started now', async text => {
  const before = Date.now()
  const task = await scheduler.lookup(scheduler.parseTaskId(text), { address: '127.0.0.1' }, signal)
  expect(task).toMatchObject({ id: text, name: 'Test', state: 'running' })
  expect(task.startedAt.getTime()).toBeGreaterThanOrEqual(before)
})

test.each(['a\nb', 'a b', '\u202e', 'a/../b'])('%j is no id even here', text => {
  expect(() => scheduler.parseTaskId(text)).toThrowError(expect.objectContaining({ code: 'task_id_invalid' }))
})
