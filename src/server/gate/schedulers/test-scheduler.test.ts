import { describe, expect, test } from 'vitest'
import { testScheduler } from './test-scheduler.ts'

const scheduler = testScheduler()
const signal = new AbortController().signal

test.each(['', 'anything', 'x.y', 'a/b', 'ünï'])('%j is a task called Test that started now', async text => {
  const before = Date.now()
  const task = await scheduler.lookup(scheduler.parseTaskId(text), { address: '127.0.0.1' }, signal)
  expect(task).toMatchObject({ id: text, name: 'Test', state: 'running' })
  expect(task.startedAt.getTime()).toBeGreaterThanOrEqual(before)
})

describe('mesos_test', () => {
  const mesos = testScheduler('mesos_test')
  const lookup = async (id: string) => await mesos.lookup(mesos.parseTaskId(id), { address: '' }, signal)

  test('an id of two parts is one; its first part is the name', async () => {
    expect(await lookup('web.1')).toMatchObject({ id: 'web.1', name: 'web', state: 'running' })
  })

  test.each([
    ['web', 'web'],
    ['web.', 'web'],
    ['web.a.b', 'web'],
  ])('%s is made one, another one each time, called %s', async (id, name) => {
    const [first, second] = [await lookup(id), await lookup(id)]
    for (const task of [first, second]) {
      expect(task.name).toBe(name)
      expect(task.id).toMatch(/^web\.\d+$/)
    }
    expect(first.id).not.toBe(second.id)
  })
})

test.each(['a\nb', 'a b', '\u202e', 'a/../b'])('%j is no id even here', text => {
  expect(() => scheduler.parseTaskId(text)).toThrowError(expect.objectContaining({ code: 'task_id_invalid' }))
})
