import type { Scheduler } from './scheduler.ts'
import { parseTaskId } from './task-id.ts'

/** For trying and testing only: every id is a task called `Test` that has started this moment (gatekeeper.md §8.3). */
export function testScheduler(): Scheduler {
  return {
    name: 'test',
    // vault-gatekeeper's gives a token for no id at all too
    parseTaskId: text => parseTaskId(text, /[^\p{C}\p{Z}]*/u),
    lookup: async id => ({ id, name: 'Test', startedAt: new Date(), state: 'running', meta: {} }),
    close: async () => {},
  }
}
