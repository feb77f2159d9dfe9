import { WritError } from '../../../../protocol/errors.ts'
import { patiently } from '../patience.ts'
import type { Caller, Scheduler, Task } from '../scheduler.ts'
import { parseTaskId } from '../task-id.ts'

/** What the gate needs to know of a job of this server. */
export interface JobTask {
  readonly id: string
  readonly status: string
  /** The queue. */
  readonly qname: string
  readonly image: string
  /** When its command began; null before. */
  readonly startedAt: Date | null
  readonly killed: boolean
  /** The engine's id of its container, once there is one. */
  readonly container: string | null
}

/** The job of an id, from the store; null when there is none. Its failures are ours: `store_unavailable`. */
export type FindJob = (id: string, signal: AbortSignal) => Promise<JobTask | null>

const JOB_ID = /[0-9a-f]{24}/
const CONTAINER_ID = /^[0-9a-f]{64}$/

/**
 * Our own jobs, while they run. A job is called by its queue, so whoever may submit to a queue gets the tokens of its name: let Vault decide
 * who may (`WRIT_REQUIRE_ACL`).
 */
export function writScheduler(find: FindJob): Scheduler {
  return {
    name: 'writ',
    parseTaskId: text => parseTaskId(text, JOB_ID),
    lookup: async (id, caller, signal) =>
      await patiently(signal, async limit => taskOf(await find(id, limit), id, caller)),
    close: async () => {},
  }
}

function taskOf(job: JobTask | null, id: string, caller: Caller): Task {
  if (!job) throw new WritError('task_not_found')
  if (job.id !== id) throw new WritError('scheduler_lied', 'another job than was asked for')
  if (job.status === 'queued') throw new WritError('task_not_started')
  if (job.status !== 'running' || job.killed) throw new WritError('task_ended')
  if (!job.startedAt || !job.container) throw new WritError('task_not_started')
  const { peer, address } = caller
  // by the kernel's word where it has one; an id that is no engine's is that of another runtime
  if (address === '' && !peer) throw new WritError('task_foreign', 'the kernel does not say who asks')
  if (peer && CONTAINER_ID.test(job.container) && peer.container !== job.container) {
    throw new WritError('task_foreign', 'it does not ask from inside of the job')
  }
  return {
    id: job.id,
    name: job.qname,
    ...(job.image ? { image: job.image } : {}),
    startedAt: job.startedAt,
    state: 'running',
    meta: { container: job.container },
  }
}
