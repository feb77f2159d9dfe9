import { WritError } from '../../../protocol/errors.ts'
import type { ContainerState, JobRuntime, SecretFiles } from '../runtime.ts'
import type { Job } from './answers.ts'
import { KubernetesApi } from './api.ts'
import type { Cluster } from './cluster.ts'
import { follow } from './follow.ts'
import { JobsApi } from './jobs-api.ts'
import { endOf, type KubernetesSpec, manifestOf, startedAt } from './manifest.ts'
import { TemplateRefused, VAULTS_VARIABLE } from './template.ts'

export interface KubernetesOptions {
  readonly cluster: Cluster
  readonly namespaces: readonly string[]
  /** The label that says whose a Job is: no other is touched. */
  readonly owner: readonly [label: string, value: string]
  /** How long a pod may take to start. */
  readonly startMs: number
  /** What a stopped pod gets between SIGTERM and SIGKILL. */
  readonly graceSeconds: number
  /** For one question; default 10 s. */
  readonly timeoutMs?: number
  /** How long the API may be away before what runs counts as out of reach; default 20 s. */
  readonly patienceMs?: number
  /** How long Kubernetes may take to say the end of a Job whose pod has ended; default 2 min. */
  readonly endMs?: number
}

/** Jobs of Kubernetes in one namespace (ADR 29). */
export interface KubernetesRuntime extends JobRuntime {
  /** As `Runtime.create`: nothing of it runs before `start`. Throws `kubernetes_refused`, `kubernetes_job_refused`. */
  create(spec: KubernetesSpec, signal?: AbortSignal): Promise<string | null>
  /** Asks Kubernetes whether it would take it. */
  check(spec: KubernetesSpec, signal?: AbortSignal): Promise<void>
  /** Throws unless the namespace can be asked for our Jobs. */
  answers(signal: AbortSignal): Promise<void>
}

export interface Kubernetes {
  /** By namespace. */
  readonly runtimes: ReadonlyMap<string, KubernetesRuntime>
  close(): void
}

export function kubernetes(options: KubernetesOptions): Kubernetes {
  const api = new KubernetesApi(options.cluster, options.timeoutMs)
  const runtimes = options.namespaces.map(
    namespace =>
      [namespace, kubernetesRuntime(new JobsApi(api, namespace, options.owner), namespace, options)] as const,
  )
  return { runtimes: new Map(runtimes), close: () => api.close() }
}

function kubernetesRuntime(
  api: JobsApi,
  namespace: string,
  { startMs, graceSeconds, patienceMs = 20_000, endMs = 120_000 }: KubernetesOptions,
): KubernetesRuntime {
  const following = { startMs, graceSeconds, patienceMs, endMs }
  const manifest = (spec: KubernetesSpec) => {
    try {
      return manifestOf(spec, namespace)
    } catch (error) {
      if (!(error instanceof TemplateRefused)) throw error
      throw new WritError('kubernetes_job_refused', error.message)
    }
  }
  /** By its name, or by an id as `idOf` makes it. */
  const find = async (container: string, signal?: AbortSignal): Promise<Job | null> => {
    const [name = '', uid] = container.includes('/') ? container.split('/').slice(1) : [container]
    const job = await api.find(name, signal)
    return uid === undefined || job?.metadata.uid === uid ? job : null
  }
  return {
    async create(spec, signal) {
      const job = await api.create(manifest(spec), signal)
      return job && idOf(job)
    },
    check: async (spec, signal) => await api.check(manifest(spec), signal),
    answers: async signal => await api.answers(signal),
    async start(id, files, signal) {
      const [, name = '', uid = ''] = id.split('/')
      const job = await api.start(name, uid, secretData(files), signal)
      return follow(api, job, 0, following, signal)
    },
    // its Secret was there before it was started
    began: async () => true,
    async attach(container, cursor, { signal } = {}) {
      const job = await find(container, signal)
      if (!job) throw new WritError('container_lost')
      return follow(api, job, cursor.stdout, following, signal)
    },
    async find(name, signal) {
      const job = await find(name, signal)
      return job && stateOf(job)
    },
    async stop(container, grace) {
      const job = await find(container)
      if (job && startedAt(job) && !endOf(job)) await api.stop(job, grace)
    },
    async remove(container) {
      const job = await find(container)
      if (job) await api.remove(job)
    },
    async removeUnstarted(container) {
      for (;;) {
        const job = await find(container)
        if (!job) return true
        if (stateOf(job).phase !== 'created') return false
        if (await api.removeUnstarted(job)) return true
      }
    },
    async list(label, value) {
      return (await api.list(`${label}=${value}`)).map(stateOf)
    },
  }
}

function idOf({ metadata }: Job): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}`
}

function stateOf(job: Job): ContainerState {
  const unstarted = startedAt(job) === null && job.spec.suspend === true
  const phase = endOf(job) ? 'exited' : unstarted ? 'created' : 'running'
  return { name: job.metadata.name, id: idOf(job), labels: job.metadata.labels ?? {}, phase, exit: null }
}

/** The list of Vaults is there even if it is empty: each container waits for this Secret. */
function secretData({ files, env }: SecretFiles): Record<string, Uint8Array> {
  const none = Buffer.from('[]').toString('base64')
  const texts = Object.entries({ [VAULTS_VARIABLE]: none, ...env })
  return { ...files, ...Object.fromEntries(texts.map(([name, value]) => [name, Buffer.from(value)])) }
}
