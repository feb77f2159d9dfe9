import { changeWatch } from '../../watch/change.ts'
import { readJobTemplate, readVaults } from '../../watch/kubernetes.ts'
import { checkTemplate, requireNamespace } from '../../watch/namespace.ts'
import { optionsOf } from '../../watch/options.ts'
import type { Path } from './path.ts'

/** Jobs on Kubernetes, as later versions of flant_gitops make them (gitops.md §16). */
export const KUBERNETES: readonly Path[] = [
  ...['configure/vaults', 'configure/vault'].map(
    (pattern): Path => ({
      pattern,
      synopsis: 'Vaults that each run on Kubernetes gets a token for.',
      description:
        'A JSON list of name, url and vault_cacert. The run gets it with a token each, as VAULTS_B64_JSON; a Vault that refuses keeps it ' +
        'from starting.',
      fields: { vaults: 'JSON list. Required.' },
      read: async ({ watch }) => (watch.vaults ? { data: { vaults: watch.vaults } } : null),
      write: async ({ engine, caller, watch, fields }) => {
        const vaults = readVaults(fields)
        const detail = { vaults: vaults.map(vault => vault.name) }
        await changeWatch(engine, caller, watch, 'configure/vaults', detail, async () => ({
          vaults: JSON.stringify(vaults),
        }))
        return watch.kubernetes_job === null ? { warnings: [ONLY_THERE] } : null
      },
    }),
  ),
  {
    pattern: 'configure/kubernetes_job',
    synopsis: 'Template of the Job of Kubernetes that a commit becomes, instead of image and commands.',
    description:
      'YAML of one batch/v1 Job with one container. {{GIT_COMMIT}} is replaced by the commit, and a variable whose value is ' +
      '{{VAULTS_B64_JSON}} by a reference to a Secret that goes with the Job.',
    fields: { template: 'The YAML. Required; template=@file reads a file.' },
    read: async ({ watch: { kubernetes_job: template, kubernetes_namespace: namespace } }) =>
      template === null ? null : { data: { template, namespace: namespace ?? '' } },
    write: async ({ engine, settings, caller, watch, fields }) => {
      const unpinnedImage = optionsOf(watch.options).unpinned_image
      const read = readJobTemplate(fields, { namespaces: settings.kubernetesNamespaces, unpinnedImage })
      const { template: kubernetes_job, namespace, image } = read
      await requireNamespace(engine, caller, namespace)
      const warning = await checkTemplate(engine, read)
      const detail = { namespace, image }
      await changeWatch(engine, caller, watch, 'configure/kubernetes_job', detail, async () => ({
        kubernetes_job,
        kubernetes_namespace: namespace,
      }))
      return warning ? { warnings: [warning] } : null
    },
    remove: async ({ engine, caller, watch }) => {
      const detail = { removed: true }
      await changeWatch(engine, caller, watch, 'configure/kubernetes_job', detail, async () => ({
        kubernetes_job: null,
        kubernetes_namespace: null,
      }))
      return null
    },
  },
]

const ONLY_THERE = 'they are for jobs on Kubernetes, and this watch has no template (configure/kubernetes_job)'
