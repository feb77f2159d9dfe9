import { WritError } from '../../../../protocol/errors.ts'
import type { Task } from '../scheduler.ts'
import type { EcsTask } from './answers.ts'

const WAITING = ['PROVISIONING', 'PENDING', 'ACTIVATING']
const OVER = ['DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'STOPPED', 'DELETED']

/** A task as ECS describes it, in the gate's words. Throws `task_not_started`, `task_ended`, `scheduler_lied`. */
export function taskOf(found: EcsTask): Task {
  const { lastStatus, desiredStatus, startedAt, containers = [] } = found
  if (OVER.includes(lastStatus) || desiredStatus === 'STOPPED') throw new WritError('task_ended')
  // a task without a start time ended vault-gatekeeper's request with a panic (gatekeeper.md §8.2)
  if (WAITING.includes(lastStatus)) throw new WritError('task_not_started')
  if (lastStatus !== 'RUNNING') throw new WritError('scheduler_lied', 'a status that ECS does not have')
  if (startedAt === undefined) throw new WritError('task_not_started')
  if (!(startedAt instanceof Date) || !(startedAt.getTime() > 0)) {
    throw new WritError('scheduler_lied', 'a start that is no time')
  }
  const family = /^arn:[^/]*:task-definition\/([A-Za-z0-9_-]{1,255}):\d+$/.exec(found.taskDefinitionArn)?.[1]
  if (!family) throw new WritError('scheduler_lied', 'a task of no definition')
  const [only] = containers
  return {
    id: found.taskArn,
    name: family,
    ...(containers.length === 1 && only?.image ? { image: only.image } : {}),
    startedAt,
    addresses: containers
      .flatMap(one => one.networkInterfaces ?? [])
      .flatMap(one => [one.privateIpv4Address, one.ipv6Address])
      .filter((address): address is string => Boolean(address)),
    state: 'running',
    meta: { cluster: found.clusterArn, definition: found.taskDefinitionArn },
  }
}
