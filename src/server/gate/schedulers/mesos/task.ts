import { WritError } from '../../../../protocol/errors.ts'
import type { Task } from '../scheduler.ts'
import { masterHost } from './address.ts'
import type { Cluster, MesosTask } from './answers.ts'

const WAITING = ['TASK_STAGING']
const ALIVE: Readonly<Record<string, Task['state']>> = { TASK_STARTING: 'starting', TASK_RUNNING: 'running' }

/** The one of these tasks that gets tokens. Throws `task_not_found`, `task_not_started`, `task_ended`, `task_foreign`. */
export function theLiveOne(tasks: readonly MesosTask[]): MesosTask {
  const live = tasks.filter(({ state }) => state in ALIVE || WAITING.includes(state))
  // ids are unique in a framework only: whoever may run one could call a task of his as that of another is called
  if (live.length > 1) throw new WritError('task_foreign', 'several tasks have this id')
  const [one] = live
  if (!one) throw new WritError(tasks.length > 0 ? 'task_ended' : 'task_not_found')
  if (WAITING.includes(one.state) || one.statuses.length === 0) throw new WritError('task_not_started')
  return one
}

/** A live task as Mesos describes it, in the gate's words. */
export function taskOf(found: MesosTask, cluster: Cluster, now: Date | undefined): Task {
  const group = cluster.names.get(found.framework_id)
  if (group === undefined) throw new WritError('scheduler_lied', 'a task of a framework that it does not know')
  const image = found.container?.docker?.image
  const address = addressOf(cluster.agents.get(found.slave_id))
  return {
    id: found.id,
    name: found.name,
    group,
    ...(image ? { image } : {}),
    startedAt: startOf(found),
    ...(now ? { now } : {}),
    ...(address ? { addresses: [address] } : {}),
    state: ALIVE[found.state] ?? 'starting',
    meta: { framework: found.framework_id, agent: found.slave_id },
  }
}

/**
 * The earliest of its statuses: Mesos replaces the last one whenever a health check changes, and a task must not become young by that
 * (gatekeeper.md §8.1 takes the first of the list, which is the same where there are several).
 */
function startOf({ statuses }: MesosTask): Date {
  const seconds = statuses.reduce((earliest, { timestamp }) => Math.min(earliest, timestamp), Number.POSITIVE_INFINITY)
  const start = new Date(seconds * 1_000)
  if (!(seconds > 0) || Number.isNaN(start.getTime())) throw new WritError('scheduler_lied', 'a status of no time')
  return start
}

/** The host of `slave(1)@10.0.0.5:5051`, without brackets. */
function addressOf(pid: string | undefined): string | undefined {
  const host = pid === undefined ? undefined : masterHost(pid.slice(pid.indexOf('@') + 1))
  return host?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}
