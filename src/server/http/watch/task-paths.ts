import { listTasks } from '../../store/watch-tasks.ts'
import { changeWatch } from '../../watch/change.ts'
import { cancelTask, readLog, readTaskConfiguration, requireTask, statusOf } from '../../watch/tasks.ts'
import type { Path, PathCall } from './path.ts'

const keys: Path['read'] = async ({ engine, watch }) => {
  const tasks = await listTasks(engine.db, watch.name)
  return tasks.length > 0 ? { data: { keys: tasks.map(task => task.id) } } : null
}

const NUMBER = { min: 0, max: Number.MAX_SAFE_INTEGER }
const taskOf = async ({ engine, watch, name }: PathCall) => await requireTask(engine, watch.name, name)

/** A task is a job of ours: these paths are a view on it (gitops.md §12, gitops-quorum.md). */
export const TASKS: readonly Path[] = [
  {
    pattern: 'task',
    synopsis: 'What became of the commits.',
    description: 'The ids of the newest tasks, newest first: runs, and looks that refused to run something.',
    // flant_gitops listed by reading
    list: keys,
    read: keys,
  },
  {
    pattern: 'task/configure',
    synopsis: 'How long a task may take, and how many are remembered.',
    description: 'A write replaces the whole record.',
    fields: { task_timeout: '30m by default.', task_history_limit: '10 by default.' },
    read: async ({ watch }) => (watch.task_configuration ? { data: { ...watch.task_configuration } } : null),
    write: async ({ engine, caller, watch, fields }) => {
      const configuration = readTaskConfiguration(fields)
      await changeWatch(engine, caller, watch, 'task/configure', { ...configuration }, async () => {
        return { task_configuration: JSON.stringify(configuration) }
      })
      return null
    },
  },
  {
    pattern: 'task/:name',
    synopsis: 'One task.',
    description: 'status is QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELED.',
    read: async call => {
      const view = await taskOf(call)
      const { task } = view
      return {
        data: {
          uuid: task.id,
          status: statusOf(view),
          reason: task.reason,
          reason_code: task.reason_code,
          created: task.created_at.toISOString(),
          ended: task.ended_at?.toISOString() ?? '',
          commit: task.commit,
          attempt: task.attempt,
          job_id: task.job_id ?? '',
          signers: task.signers,
          plan_digest: task.plan_digest,
        },
      }
    },
  },
  {
    pattern: 'task/:name/cancel',
    synopsis: 'Cancels a task that runs.',
    description: 'Its commit is given up until somebody asks for it again (retry), or a newer one comes.',
    write: async call => {
      const cancelled = await cancelTask(call.engine, call.caller, await taskOf(call))
      return cancelled ? null : { warnings: ['the task is not running'] }
    },
  },
  {
    pattern: 'task/:name/log',
    synopsis: 'The output of a task.',
    description: 'Secrets of the run are masked in it.',
    fields: { offset: 'First character; 0 by default.', limit: 'How many characters; 500 by default.' },
    read: async call => {
      const offset = call.fields.integer('offset', 0, NUMBER)
      const limit = call.fields.integer('limit', 500, NUMBER)
      return { data: { result: await readLog(call.engine, await taskOf(call), { offset, limit }) } }
    },
  },
]
