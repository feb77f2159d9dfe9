import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, WritError } from '../../../protocol/errors.ts'
import { type Job, jobOf, jobsOf, type Pod, podOf, podsOf } from './answers.ts'
import { type Answer, type KubernetesApi, messageOf } from './api.ts'
import { secretManifest, secretOf, startedAt, startPatch } from './manifest.ts'

/** How often a Job that changes under our hands is looked at anew. */
const TRIES = 10
const REMOVAL_MS = 30_000
const PAGE = '250'

/** The Jobs of this installation in a namespace, with their Secrets and pods. */
export class JobsApi {
  readonly #api: KubernetesApi
  readonly #namespace: string
  readonly #owner: readonly [label: string, value: string]

  constructor(api: KubernetesApi, namespace: string, owner: readonly [string, string]) {
    this.#api = api
    this.#namespace = namespace
    this.#owner = owner
  }

  /** Null: the name is taken. Throws `kubernetes_refused`, `kubernetes_job_refused`, `runtime_unavailable`. */
  async create(manifest: unknown, signal?: AbortSignal): Promise<Job | null> {
    const answer = await this.#api.ask('POST', this.#jobs(), { body: manifest, signal })
    if (answer.status === 409) return null
    if (answer.status !== 201) throw refusalOf(answer, 'kubernetes_job_refused')
    return jobOf(answer.body)
  }

  /** As `create`, but nothing is made. */
  async check(manifest: unknown, signal?: AbortSignal): Promise<void> {
    const query = { dryRun: 'All' }
    const answer = await this.#api.ask('POST', this.#jobs(), { query, body: manifest, signal })
    if (answer.status !== 201) throw refusalOf(answer, 'kubernetes_job_refused')
  }

  /**
   * The Job of that name, or null. Throws `container_refused` for one that is not ours, which is never touched. That we may not look is no
   * reason to give a job up that may run: `runtime_unavailable`.
   */
  async find(name: string, signal?: AbortSignal): Promise<Job | null> {
    const answer = await this.#api.ask('GET', this.#jobs(name), { signal })
    if (answer.status === 404) return null
    if (answer.status !== 200) throw unknown(answer)
    const job = jobOf(answer.body)
    const [label, value] = this.#owner
    if (job.metadata.name !== name || job.metadata.labels?.[label] !== value)
      throw new WritError('container_refused', `the Job ${name} in ${this.#namespace} belongs to somebody else`)
    return job
  }

  /** Throws `runtime_unavailable`: nobody answers, or we may not ask; the reason of `signal`. */
  async answers(signal: AbortSignal): Promise<void> {
    const query = { labelSelector: this.#owner.join('='), limit: '1' }
    const answer = await this.#api.ask('GET', this.#jobs(), { query, signal })
    if (answer.status !== 200) throw unknown(answer)
    jobsOf(answer.body)
  }

  async list(selector: string): Promise<Job[]> {
    const found: Job[] = []
    for (let more = ''; ; ) {
      const query = { labelSelector: selector, limit: PAGE, ...(more ? { continue: more } : {}) }
      const answer = await this.#api.ask('GET', this.#jobs(), { query })
      if (answer.status !== 200) throw unknown(answer)
      const page = jobsOf(answer.body)
      found.push(...page.items)
      more = page.more
      if (!more) return found
    }
  }

  /** Those that the Job has made, and nobody else with its labels. */
  async pods({ metadata }: Job, signal?: AbortSignal): Promise<Pod[]> {
    const query = { labelSelector: `writ.job=${metadata.labels?.['writ.job'] ?? ''}` }
    const answer = await this.#api.ask('GET', this.#path('v1', 'pods'), { query, signal })
    if (answer.status !== 200) throw unknown(answer)
    const isOwn = (pod: Pod) =>
      pod.metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === metadata.uid)
    return podsOf(answer.body).filter(isOwn)
  }

  /** Gives the Job its Secret. One that is there already is of an earlier try, which did not come to a start. */
  async putSecret(job: Job, data: Readonly<Record<string, Uint8Array>>, signal?: AbortSignal): Promise<void> {
    const path = this.#path('v1', 'secrets')
    const body = secretManifest(job, data)
    for (let tries = 0; tries < TRIES; tries += 1) {
      const answer = await this.#api.ask('POST', path, { body, signal })
      if (answer.status === 201) return
      if (answer.status !== 409) throw refusalOf(answer, 'kubernetes_refused')
      await this.#removeSecret(job)
    }
    throw new WritError('runtime_unavailable', 'Kubernetes: the Secret of the job is not to be made')
  }

  /** Lets the Job run, if it is the one that was created and never ran. Throws `container_refused`, `container_lost`. */
  async start(
    name: string,
    uid: string,
    files: Readonly<Record<string, Uint8Array>>,
    signal?: AbortSignal,
  ): Promise<Job> {
    let given = false
    for (let tries = 0; tries < TRIES; tries += 1) {
      const job = await this.find(name, signal)
      if (job?.metadata.uid !== uid) throw new WritError('container_lost')
      if (startedAt(job)) throw new WritError('container_refused', 'it was started before')
      if (!given) await this.putSecret(job, files, signal)
      given = true
      const answer = await this.#api.ask('PATCH', this.#jobs(name), { body: startPatch(job), signal })
      if (answer.status === 200) return jobOf(answer.body)
      // its status was written meanwhile
      if (answer.status !== 409) throw refusalOf(answer, 'kubernetes_refused')
    }
    throw new WritError('runtime_unavailable', 'Kubernetes: the Job keeps changing')
  }

  /**
   * Ends its pod, which has `graceSeconds`, and has the cluster make none after that. Answers pods as they were when they were told to end:
   * nothing more begins in one that was.
   */
  async stop(job: Job, graceSeconds: number): Promise<Pod[]> {
    const { name, uid } = job.metadata
    // the pod first: the Job controller would give it the grace of its own
    const before = await this.#endPods(job, graceSeconds)
    const body = { metadata: { uid }, spec: { activeDeadlineSeconds: 0 } }
    const answer = await this.#api.ask('PATCH', this.#jobs(name), { body })
    if (![200, 404, 409].includes(answer.status)) throw unknown(answer)
    return [...before, ...(await this.#endPods(job, graceSeconds))]
  }

  async #endPods(job: Job, graceSeconds: number): Promise<Pod[]> {
    const ended: Pod[] = []
    for (const { metadata, status } of await this.pods(job)) {
      // one that is being deleted may have more grace: it can be made shorter, and never longer
      if (status.phase === 'Succeeded' || status.phase === 'Failed') continue
      const options = { gracePeriodSeconds: graceSeconds, preconditions: { uid: metadata.uid } }
      const answer = await this.#api.ask('DELETE', this.#path('v1', 'pods', metadata.name), { body: options })
      if (![200, 202, 404, 409].includes(answer.status)) throw unknown(answer)
      const pod = answer.status === 200 || answer.status === 202 ? podOf(answer.body) : null
      if (pod) ended.push(pod)
    }
    return ended
  }

  /** Removes the Job with its pods and its Secret, and waits until they are gone. */
  async remove(job: Job): Promise<void> {
    const { uid } = job.metadata
    await this.#removeSecret(job)
    // in the foreground: as long as a pod is there, the Job is, and we know of it
    await this.#delete(job, { propagationPolicy: 'Foreground', preconditions: { uid } })
    await this.#untilGone(job)
  }

  /** Only if nobody has started it since it was looked at. */
  async removeUnstarted(job: Job): Promise<boolean> {
    const { uid, resourceVersion } = job.metadata
    const preconditions = { uid, resourceVersion }
    if (!(await this.#delete(job, { propagationPolicy: 'Background', preconditions }))) return false
    await this.#removeSecret(job)
    await this.#untilGone(job)
    return true
  }

  /** The output of a container from a time on; null: there is none to read. */
  async log(
    pod: Pod,
    container: string,
    { follow, since }: { follow: boolean; since: string | null },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer> | null> {
    const query = {
      container,
      timestamps: 'true',
      follow: String(follow),
      ...(since === null ? {} : { sinceTime: since }),
    }
    return await this.#api.text(`${this.#path('v1', 'pods', pod.metadata.name)}/log`, query, signal)
  }

  async #delete({ metadata }: Job, options: unknown): Promise<boolean> {
    const answer = await this.#api.ask('DELETE', this.#jobs(metadata.name), { body: options })
    if (answer.status === 409) return false
    if (![200, 202, 404].includes(answer.status)) throw unknown(answer)
    return true
  }

  async #untilGone({ metadata }: Job): Promise<void> {
    const end = performance.now() + REMOVAL_MS
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      const left = await this.find(metadata.name)
      if (left?.metadata.uid !== metadata.uid) return
      if (performance.now() > end) throw new WritError('runtime_unavailable', 'Kubernetes: the Job is not removed yet')
      await sleep(pauseMs)
    }
  }

  async #removeSecret(job: Job): Promise<void> {
    const path = this.#path('v1', 'secrets', secretOf(job))
    const answer = await this.#api.ask('DELETE', path)
    if (![200, 202, 404].includes(answer.status)) throw unknown(answer)
  }

  #jobs(name = ''): string {
    return this.#path('batch/v1', 'jobs', name)
  }

  #path(version: string, kind: string, name = ''): string {
    const root = version === 'v1' ? '/api/v1' : `/apis/${version}`
    return `${root}/namespaces/${this.#namespace}/${kind}${name === '' ? '' : `/${encodeURIComponent(name)}`}`
  }
}

/** A refusal before anything could run. */
function refusalOf(answer: Answer, code: ErrorCode): WritError {
  if (answer.status < 400) return unknown(answer)
  const denied = answer.status === 401 || answer.status === 403
  return new WritError(denied ? 'kubernetes_refused' : code, messageOf(answer))
}

/** Of what may run there, nothing is known: it is asked again. */
function unknown(answer: Answer): WritError {
  return new WritError('runtime_unavailable', `Kubernetes: ${messageOf(answer)}`)
}
