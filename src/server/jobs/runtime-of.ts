import { WritError } from '../../protocol/errors.ts'
import type { KubernetesRuntime } from '../runtimes/kubernetes/kubernetes-runtime.ts'
import type { JobRuntime } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import type { Engine } from './engine.ts'

/** What carries this job out. */
export function runtimeOf(engine: Engine, { kubernetes_namespace }: Pick<Job, 'kubernetes_namespace'>): JobRuntime {
  return kubernetes_namespace === null ? engine.runtime : kubernetesOf(engine, kubernetes_namespace)
}

/** Throws `runtime_unavailable` on a server that does not run jobs there: it may run, so it waits for a server that can look. */
export function kubernetesOf(engine: Engine, namespace: string): KubernetesRuntime {
  const runtime = engine.kubernetes?.get(namespace)
  if (!runtime) throw new WritError('runtime_unavailable', `WRIT_KUBERNETES_NAMESPACES lacks ${namespace}`)
  return runtime
}
