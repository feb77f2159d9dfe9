import { WritError } from '../../protocol/errors.ts'
import { capabilities } from '../../vault/capabilities.ts'
import { asUnavailable, type Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { kubernetesOf } from '../jobs/runtime-of.ts'
import { refused } from './fields.ts'
import type { WatchTemplate } from './kubernetes.ts'

/**
 * Throws `namespace_not_permitted` unless the caller may bring watches into this namespace: `create` or `update` on
 * `writ/namespaces/<name>`. The attack: whoever may configure one watch, of a harmless namespace, has its jobs made where others keep
 * their secrets, by the power of the server.
 */
export async function requireNamespace(engine: Engine, caller: Caller, namespace: string): Promise<void> {
  const path = `writ/namespaces/${namespace}`
  const [granted = []] = await capabilities(engine.vault, caller.token, [path]).catch(error => {
    throw asUnavailable(error)
  })
  const powers = ['root', 'create', 'update']
  if (!granted.some(power => powers.includes(power))) throw new WritError('namespace_not_permitted', path)
}

/** Has Kubernetes look at a Job of the template without making it. What it refuses throws; that it is away is answered as a warning. */
export async function checkTemplate(engine: Engine, { template, namespace }: WatchTemplate): Promise<string | null> {
  const labels = { 'writ.job': '0'.repeat(24) }
  const name = `writ-${labels['writ.job']}`
  const example = {
    name,
    labels,
    template,
    commit: '0'.repeat(40),
    env: [],
    secretEnv: [],
    files: [],
    deadlineSeconds: 1,
  }
  try {
    await kubernetesOf(engine, namespace).check(example)
    return null
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    if (error.code === 'kubernetes_job_refused') throw refused(`"template": Kubernetes refuses it: ${error.detail}`)
    return `Kubernetes was not asked what it thinks of the template: ${error.message}`
  }
}
