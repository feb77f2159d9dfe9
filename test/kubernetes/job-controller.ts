import { randomBytes } from 'node:crypto'
import type { Any, Objects } from './objects.ts'

const now = () => new Date().toISOString().replace(/\.\d+/, '')
const condition = (type: string, reason: string) => ({
  type,
  status: 'True',
  reason,
  message: reason,
  lastTransitionTime: now(),
})
const has = (job: Any, type: string) =>
  job.status?.conditions?.some((each: Any) => each.type === type && each.status === 'True')

/** What the controllers of Kubernetes make of Jobs (1.34): pods, deadlines, ends, and that what is owned goes with its owner. */
export class JobController {
  readonly #objects: Objects
  readonly #timer: NodeJS.Timeout
  /** Not there, as in a cluster whose control plane is half down. */
  paused = false
  /** How many pods each Job ever got. */
  readonly made = new Map<string, number>()

  constructor(objects: Objects) {
    this.#objects = objects
    this.#timer = setInterval(() => this.#sync(), 20)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #sync(): void {
    if (this.paused) return
    for (const job of this.#objects.list('jobs', '')) this.#job(job)
    for (const kind of ['pods', 'secrets'])
      for (const object of this.#objects.list(kind, '')) {
        const owner = object.metadata.ownerReferences?.[0]
        const jobs = this.#objects.list('jobs', object.metadata.namespace)
        const job = jobs.find(each => each.metadata.uid === owner?.uid)
        const gone = owner && (!job || job.metadata.finalizers?.includes('foregroundDeletion'))
        if (gone && !object.metadata.deletionTimestamp) this.#delete(kind, object)
      }
  }

  #delete(kind: string, { metadata, status, spec }: Any): void {
    const ended = ['Succeeded', 'Failed'].includes(status?.phase)
    const gracePeriodSeconds = kind === 'pods' && !ended ? (spec.terminationGracePeriodSeconds ?? 30) : 0
    this.#objects.remove(kind, metadata.namespace, metadata.name, { gracePeriodSeconds })
  }

  #job(job: Any): void {
    const { namespace, name, uid } = job.metadata
    const pods = this.#objects.list('pods', namespace).filter(pod => pod.metadata.ownerReferences?.[0]?.uid === uid)
    if (job.metadata.deletionTimestamp) {
      if (pods.length === 0) this.#objects.drop('jobs', job)
      return
    }
    if (has(job, 'Complete') || has(job, 'Failed')) return
    const running = pods.filter(pod => !['Succeeded', 'Failed'].includes(pod.status.phase))
    if (has(job, 'FailureTarget')) {
      for (const pod of running) if (!pod.metadata.deletionTimestamp) this.#delete('pods', pod)
      const { reason } = job.status.conditions.find((each: Any) => each.type === 'FailureTarget')
      if (running.length === 0) this.#condition(job, 'Failed', reason)
      return
    }
    if (job.spec.suspend) {
      for (const pod of running) if (!pod.metadata.deletionTimestamp) this.#delete('pods', pod)
      // its status changes by itself, as the real one's does
      if (!has(job, 'Suspended')) this.#condition(job, 'Suspended', 'JobSuspended')
      return
    }
    if (!job.status.startTime) {
      job.status = { ...job.status, startTime: new Date().toISOString(), conditions: [] }
      this.#objects.put('jobs', job)
    }
    const seconds = job.spec.activeDeadlineSeconds
    const late = seconds !== undefined && Date.now() - Date.parse(job.status.startTime) >= seconds * 1000
    const succeeded = pods.some(pod => pod.status.phase === 'Succeeded')
    const made = this.made.get(uid) ?? 0
    const lost = made > pods.length
    const failed = pods.some(pod => pod.status.phase === 'Failed' || pod.metadata.deletionTimestamp)
    if (late) this.#condition(job, 'FailureTarget', 'DeadlineExceeded')
    else if (succeeded) this.#condition(job, 'Complete', 'CompletionsReached')
    else if (failed || lost) this.#condition(job, 'FailureTarget', 'BackoffLimitExceeded')
    else if (made === 0) this.#pod(job, namespace, name)
  }

  #pod(job: Any, namespace: string, name: string): void {
    this.made.set(job.metadata.uid, 1)
    const { metadata, spec } = structuredClone(job.spec.template)
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        name: `${name}-${randomBytes(3).toString('hex')}`,
        ownerReferences: [{ kind: 'Job', name, uid: job.metadata.uid, controller: true }],
      },
      spec,
      status: { phase: 'Pending' },
    }
    this.#objects.create('pods', namespace, pod)
  }

  #condition(job: Any, type: string, reason: string): void {
    const failed = this.made.get(job.metadata.uid)
    const counted = type === 'Failed' && failed ? { failed } : {}
    job.status = { ...job.status, ...counted, conditions: [...(job.status?.conditions ?? []), condition(type, reason)] }
    this.#objects.put('jobs', job)
  }
}
