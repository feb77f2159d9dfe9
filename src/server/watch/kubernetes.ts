import { parse } from 'yaml'
import { isRecord } from '../../vault/response.ts'
import { type Fields, refused } from './fields.ts'

const LONGEST = 64 * 1024

/** Reads the template of a Kubernetes job (gitops.md §16.4): one YAML document that is a `batch/v1` Job. Throws `watch_field_invalid`. */
export function readJobTemplate(fields: Fields): string {
  const template = fields.text('template')
  if (template === '' || template.length > LONGEST) throw refused(`"template" is missing, or longer than ${LONGEST}`)
  const job = parsed(template)
  if (!isRecord(job) || job.apiVersion !== 'batch/v1' || job.kind !== 'Job')
    throw refused('"template" is not YAML of a batch/v1 Job')
  return template
}

function parsed(text: string): unknown {
  try {
    // no aliases: a few lines of them expand to gigabytes
    return parse(text, { maxAliasCount: 0 })
  } catch {
    return null
  }
}

/** Reads the list of Vaults of later versions of flant_gitops (gitops.md §16.1). Throws `watch_field_invalid`. */
export function readVaults(fields: Fields): { name: string; url: string; vault_cacert: string }[] {
  const vaults = fields.raw('vaults') ?? []
  if (!Array.isArray(vaults)) throw refused('"vaults" is not a JSON list')
  return vaults.map(vault => {
    const { name, url, vault_cacert = '' } = isRecord(vault) ? vault : {}
    if (typeof name !== 'string' || typeof url !== 'string' || typeof vault_cacert !== 'string')
      throw refused('each of "vaults" has a name, a url and perhaps a vault_cacert')
    if (name === '' || !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      throw refused('"vaults": a name or url is invalid')
    return { name, url, vault_cacert }
  })
}
