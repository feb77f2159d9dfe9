import { WritError } from '../../protocol/errors.ts'
import type { PlanKubernetes, PlanLogin } from '../../protocol/watch-plan.ts'
import { isRecord } from '../../vault/response.ts'
import { type JobTemplate, parseTemplate, TemplateRefused } from '../runtimes/kubernetes/template.ts'
import type { Watch } from '../store/watches.ts'
import { type Fields, isStorable, refused } from './fields.ts'

/** A template of a watch, and the namespace that its jobs are for. */
export interface WatchTemplate {
  readonly template: string
  readonly namespace: string
  readonly image: string
}

/**
 * Reads `configure/kubernetes_job` (gitops.md §16.4): the template of a Job, for one of the namespaces that the administrator allows.
 * Throws `watch_field_invalid`.
 */
export function readJobTemplate(
  fields: Fields,
  { namespaces, unpinnedImage }: { namespaces: readonly string[]; unpinnedImage: boolean },
): WatchTemplate {
  const template = fields.text('template')
  const { images, ...rest } = parsed(template)
  const loose = images.find(image => !/@sha256:[0-9a-f]{64}$/.test(image))
  if (loose !== undefined && !unpinnedImage) {
    throw refused(
      '"template": an image without its digest (NAME@sha256:…); the option unpinned_image allows a bare name',
    )
  }
  const namespace = namespaceOf(rest, namespaces)
  if (namespace === null)
    throw refused(`"template": its namespace is none of those that this server may use: ${namespaces.join(', ')}`)
  return { template, image: images[0] ?? '', namespace }
}

/**
 * What the plan of a watch says of Kubernetes; null: it has no template. Throws `namespace_unavailable`, which another setting of the
 * server may change, and `watch_field_invalid`.
 */
export function kubernetesPlan(
  { kubernetes_job, kubernetes_namespace, vaults }: Pick<Watch, 'kubernetes_job' | 'kubernetes_namespace' | 'vaults'>,
  namespaces: readonly string[],
): { image: string; kubernetes: PlanKubernetes } | null {
  if (kubernetes_job === null) return null
  // it was checked when it was written: by another version, perhaps, or for other namespaces
  const { image, ...rest } = parsed(kubernetes_job)
  // not the one that is first now: nobody has said that whoever wrote the template may use that
  const namespace = kubernetes_namespace ?? rest.namespace
  if (!namespaces.includes(namespace)) throw new WritError('namespace_unavailable', namespace || undefined)
  return { image, kubernetes: { namespace, template: kubernetes_job, vaults: vaults ?? [] } }
}

/** Null: it is none that this server may use. */
function namespaceOf({ namespace }: Pick<JobTemplate, 'namespace'>, allowed: readonly string[]): string | null {
  const wanted = namespace || allowed[0]
  return wanted !== undefined && allowed.includes(wanted) ? wanted : null
}

function parsed(template: string): JobTemplate {
  try {
    return parseTemplate(template)
  } catch (error) {
    if (!(error instanceof TemplateRefused)) throw error
    throw refused(`"template" is invalid: ${error.message}`)
  }
}

/** Reads the list of Vaults of later versions of flant_gitops (gitops.md §16.1). Throws `watch_field_invalid`. */
export function readVaults(fields: Fields): PlanLogin[] {
  const vaults = fields.raw('vaults') ?? []
  if (!Array.isArray(vaults)) throw refused('"vaults" is not a JSON list')
  return vaults.map(vault => {
    const { name, url, vault_cacert = '' } = isRecord(vault) ? vault : {}
    if (typeof name !== 'string' || typeof url !== 'string' || typeof vault_cacert !== 'string')
      throw refused('each of "vaults" has a name, a url and perhaps a vault_cacert')
    if (![name, url, vault_cacert].every(isStorable)) throw refused('"vaults": a text that cannot be kept')
    if (name === '' || !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      throw refused('"vaults": a name or url is invalid')
    return { name, url, vault_cacert }
  })
}
