import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { actorOf } from '../jobs/submit.ts'
import { findJob, type Job, lockJob, requestKill } from '../store/jobs.ts'
import { type OutputEnds, outputEnds } from '../store/output.ts'
import type { WatchTaskConfiguration } from '../store/watch-schema.ts'
import { findTask, type WatchTask } from '../store/watch-tasks.ts'
import { type Fields, refused } from './fields.ts'

export const DEFAULT_TASKS: WatchTaskConfiguration = { task_timeout: 30 * 60, task_history_limit: 10 }

/** `task/configure` (gitops-quorum.md). Throws `watch_field_invalid`. */
export function readTaskConfiguration(fields: Fields): WatchTaskConfiguration {
  const task_timeout = fields.seconds('task_timeout', DEFAULT_TASKS.task_timeout)
  if (task_timeout < 1) throw refused('"task_timeout" must be at least 1s')
  const range = { min: 1, max: 10_000 }
  return {
    task_timeout,
    task_history_limit: fields.integer('task_history_limit', DEFAULT_TASKS.task_history_limit, range),
  }
}

/** A task and its job, of which it is a view; the record of the job may be gone before that of the task. */
export interface TaskView {
  readonly task: WatchTask
  readonly job: Job | undefined
}

/** Throws `watch_task_unknown`. */
export async function requireTask(engine: Engine, watch: string, id: string): Promise<TaskView> {
  const known = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
  const task = known ? await findTask(engine.db, watch, id) : undefined
  if (!task) throw new WritError('watch_task_unknown')
  return { task, job: task.job_id ? await findJob(engine.db, task.job_id) : undefined }
}

/** In the words of flant_gitops (gitops.md §12). */
export function statusOf({ task, job }: TaskView): 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' {
  switch (task.state) {
    case 'started':
      return job?.status === 'queued' ? 'QUEUED' : 'RUNNING'
    case 'done':
      return 'SUCCEEDED'
    default:
      return task.reason_code === 'job_killed' ? 'CANCELED' : 'FAILED'
  }
}

/** Asks for the job of a task to be stopped. False: it does not run any more. */
export async function cancelTask(engine: Engine, caller: Caller, { task }: TaskView): Promise<boolean> {
  const { job_id } = task
  if (task.state !== 'started' || job_id === null) return false
  return await engine.db.transaction().execute(async tx => {
    const job = await lockJob(tx, job_id)
    if (!job || job.ended_at !== null) return false
    await requestKill(tx, job_id)
    const detail = { status: job.status, watch: task.watch, task: task.id }
    await record(tx, { action: 'job.kill_requested', job: job_id, actor: actorOf(caller), detail })
    return true
  })
}

/** What one answer may hold of a log; more is at the job. */
const LOG_BYTES = 16 * 1024 * 1024

const NO_OUTPUT: OutputEnds = { head: [], tail: [], missing: 0 }

/** `limit` characters of the log from `offset` on: the output of the job, both streams in their order, or why there was none. */
export async function readLog(
  engine: Engine,
  { task, job }: TaskView,
  { offset, limit }: { offset: number; limit: number },
): Promise<string> {
  const { head, tail, missing } = job ? await outputEnds(engine.db, job, LOG_BYTES) : NO_OUTPUT
  const cut = missing > 0 ? [Buffer.from(`\n[${missing} bytes are left out here]\n`)] : []
  const output = Buffer.concat([...head.map(chunk => chunk.data), ...cut, ...tail.map(chunk => chunk.data)])
  const reason = task.reason ? `${task.reason}\n` : ''
  return [...(output.toString('utf8') + reason)].slice(offset, offset + limit).join('')
}
