import { WritError } from '../../protocol/errors.ts'
import type { JobRuntime } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import type { Engine } from './engine.ts'

/**
 * What carries this job out. Throws `runtime_unavailable` for one that is for Kubernetes on a server that is not: it may run there, so it
 * waits for a server that can look.
 */
export function runtimeOf(engine: Engine, { kubernetes_namespace }: Pick<Job, 'kubernetes_namespace'>): JobRuntime {
  if (kubernetes_namespace === null) return engine.runtime
  const runtime = engine.kubernetes?.get(kubernetes_namespace)
  if (!runtime) throw new WritError('runtime_unavailable', `WRIT_KUBERNETES_NAMESPACES lacks ${kubernetes_namespace}`)
  return runtime
}
