import { WritError } from '../../../../protocol/errors.ts'
import type { Task } from '../scheduler.ts'
import type { Bearer, Pod } from './answers.ts'

/** The pod of a bearer as the gate's task. Throws `task_foreign`, `task_not_started`, `task_ended`, `scheduler_lied`. */
export function taskOf({ metadata, spec, status }: Pod, bearer: Bearer, now: Date | undefined): Task {
  const same = metadata.name === bearer.pod && metadata.namespace === bearer.namespace
  if (!same) throw new WritError('scheduler_lied', 'another pod than was asked for')
  // a pod of the same name that came after: its predecessor's token is worth nothing
  if (metadata.uid !== bearer.uid) throw new WritError('task_foreign', 'its token is that of another pod')
  if (spec.serviceAccountName !== bearer.account) {
    throw new WritError('scheduler_lied', 'a pod and a token of two service accounts')
  }
  if (metadata.deletionTimestamp !== undefined) throw new WritError('task_ended')
  if (status.phase === 'Pending') throw new WritError('task_not_started')
  if (status.phase !== 'Running') throw new WritError('task_ended')
  const running = (status.containerStatuses ?? []).flatMap(one => {
    const start = Date.parse(one.state?.running?.startedAt ?? '')
    return Number.isNaN(start) ? [] : [{ start, image: one.image }]
  })
  const [latest] = running.sort((a, b) => b.start - a.start)
  if (!latest) throw new WritError('task_not_started')
  return {
    // a container that Kubernetes has restarted begins anew, and needs a token again
    id: `${metadata.uid}@${latest.start}`,
    // accounts of two namespaces may have one name
    name: `${bearer.namespace}/${bearer.account}`,
    ...(running.length === 1 && latest.image ? { image: latest.image } : {}),
    startedAt: new Date(latest.start),
    ...(now ? { now } : {}),
    addresses: (status.podIPs ?? []).map(({ ip }) => ip),
    state: 'running',
    meta: { namespace: bearer.namespace, pod: bearer.pod, uid: metadata.uid, account: bearer.account },
  }
}
