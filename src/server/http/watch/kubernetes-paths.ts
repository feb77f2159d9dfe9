import { changeWatch } from '../../watch/change.ts'
import { readJobTemplate, readVaults } from '../../watch/kubernetes.ts'
import type { Path } from './path.ts'

const NOT_USED = 'it is kept and not used yet: jobs run on the container engine of the server, and not on Kubernetes'

/** What later versions of flant_gitops are configured with (gitops.md §16): checked and kept for a runtime that there is not yet. */
export const KUBERNETES: readonly Path[] = [
  ...['configure/vaults', 'configure/vault'].map(
    (pattern): Path => ({
      pattern,
      synopsis: 'Vaults that a Kubernetes job logs in to. Kept, and not used yet.',
      description: 'A JSON list of name, url and vault_cacert.',
      fields: { vaults: 'JSON list. Required.' },
      read: async ({ watch }) => (watch.vaults ? { data: { vaults: watch.vaults } } : null),
      write: async ({ engine, caller, watch, fields }) => {
        const vaults = readVaults(fields)
        const detail = { vaults: vaults.map(vault => vault.name) }
        await changeWatch(engine, caller, watch, 'configure/vaults', detail, async () => ({
          vaults: JSON.stringify(vaults),
        }))
        return { warnings: [NOT_USED] }
      },
    }),
  ),
  {
    pattern: 'configure/kubernetes_job',
    synopsis: 'Template of a Kubernetes job. Kept, and not used yet.',
    description: 'YAML of one batch/v1 Job.',
    fields: { template: 'The YAML. Required; template=@file reads a file.' },
    read: async ({ watch }) => (watch.kubernetes_job === null ? null : { data: { template: watch.kubernetes_job } }),
    write: async ({ engine, caller, watch, fields }) => {
      const kubernetes_job = readJobTemplate(fields)
      await changeWatch(engine, caller, watch, 'configure/kubernetes_job', {}, async () => ({ kubernetes_job }))
      return { warnings: [NOT_USED] }
    },
    remove: async ({ engine, caller, watch }) => {
      const detail = { removed: true }
      await changeWatch(engine, caller, watch, 'configure/kubernetes_job', detail, async () => ({
        kubernetes_job: null,
      }))
      return null
    },
  },
]
