import { randomInt } from 'node:crypto'
import type { Scheduler, Task } from './scheduler.ts'
import { parseTaskId } from './task-id.ts'

const TASK_ID = /[^\p{C}\p{Z}]*/u

/**
 * For trying and testing only. `test`: every id is a task called `Test` that has started this moment (gatekeeper.md §8.3);
 * `mesos_test`: one called by the first part of its id (§8.4).
 */
export function testScheduler(name: 'test' | 'mesos_test' = 'test'): Scheduler {
  return {
    name,
    // vault-gatekeeper's gives a token for no id at all too
    parseTaskId: text => parseTaskId(text, TASK_ID),
    lookup: async id => (name === 'test' ? taskOf(id, 'Test') : mesosLike(id)),
    close: async () => {},
  }
}

/** An id of two parts is one; any other is made one. */
function mesosLike(id: string): Task {
  const [first = '', rest, ...more] = id.split('.')
  return taskOf(rest && more.length === 0 ? id : `${first}.${randomInt(2 ** 40)}`, first || 'Test')
}

function taskOf(id: string, name: string): Task {
  return { id, name, startedAt: new Date(), state: 'running', meta: {} }
}
