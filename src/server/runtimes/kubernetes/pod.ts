import type { ContainerStatus, Pod } from './answers.ts'
import { printable } from './api.ts'

/** The containers of a pod in the order in which they run: the last one is the job's. */
export function containersOf({ spec, status }: Pod): { name: string; status: ContainerStatus | undefined }[] {
  const statuses = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  return [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => ({
    name,
    status: statuses.find(each => each.name === name),
  }))
}

export function hasStarted(status: ContainerStatus | undefined): boolean {
  return status?.state?.running !== undefined || status?.state?.terminated !== undefined
}

export function hasEnded(status: ContainerStatus | undefined): boolean {
  return status?.state?.terminated !== undefined
}

/** Whether anything in the pod ever ran. */
export function everRan(pod: Pod): boolean {
  return containersOf(pod).some(({ status }) => hasStarted(status))
}

export function isOver({ status, metadata }: Pod): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed' || metadata.deletionTimestamp !== undefined
}

/** How the job's container ended, or the init container that kept it from running; null: it has not, as far as the pod says. */
export function exitOf(pod: Pod): { code: number; outOfMemory: boolean } | null {
  const all = containersOf(pod)
  const failed = all.find(({ status }) => (status?.state?.terminated?.exitCode ?? 0) !== 0) ?? all.at(-1)
  const end = failed?.status?.state?.terminated
  return end ? { code: end.exitCode, outOfMemory: end.reason === 'OOMKilled' } : null
}

/** Why a pod is not where it should be, a line each: what Kubernetes says, and nothing that it says of a pod that runs. */
export function newsOf(pod: Pod | undefined): string[] {
  if (!pod) return []
  const { conditions = [], reason, message } = pod.status
  const unscheduled = conditions.filter(({ type, status }) => type === 'PodScheduled' && status === 'False')
  const waiting = containersOf(pod).flatMap(({ name, status }) => {
    const { waiting: why } = status?.state ?? {}
    return why?.reason && !['ContainerCreating', 'PodInitializing'].includes(why.reason)
      ? [`${name}: ${why.reason}${why.message ? `: ${why.message}` : ''}`]
      : []
  })
  const ended = containersOf(pod)
    .slice(0, -1)
    .flatMap(({ name, status }) => {
      const { terminated } = status?.state ?? {}
      return terminated && terminated.exitCode !== 0 ? [`${name} ended with code ${terminated.exitCode}`] : []
    })
  return [
    ...unscheduled.map(each => `${each.reason ?? 'Pending'}: ${each.message ?? ''}`),
    ...waiting,
    ...ended,
    ...(reason ? [`${reason}: ${message ?? ''}`] : []),
  ].map(printable)
}
