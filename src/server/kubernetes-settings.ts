import { anyText, duration, namespaces, setting } from './config-values.ts'

/** Where jobs of watches run on Kubernetes: part of `SETTINGS`. */
export const KUBERNETES_SETTINGS = {
  kubernetesNamespaces: setting(
    ['WRIT_KUBERNETES_NAMESPACES'],
    namespaces,
    'Namespaces of Kubernetes in which watches may run jobs, separated by commas; the first is that of templates which name none. Empty: none run there.',
    '',
  ),
  kubernetesServer: setting(
    ['WRIT_KUBERNETES_SERVER'],
    anyText,
    'API server of Kubernetes, https://host:port. Inside of a cluster its own is found.',
    '',
  ),
  kubernetesCa: setting(
    ['WRIT_KUBERNETES_CACERT'],
    anyText,
    "PEM file of the authorities that sign its certificate; inside of a cluster that of this pod's service account.",
    '',
  ),
  kubernetesTokenFile: setting(
    ['WRIT_KUBERNETES_TOKEN_FILE'],
    anyText,
    "File with the token for it, read again for each request; by default that of this pod's service account.",
    '',
  ),
  kubernetesStartTimeout: setting(
    ['WRIT_KUBERNETES_START_TIMEOUT'],
    duration(10),
    'How long the pod of a job may take to start: to be scheduled, and to get its image.',
    '10m',
  ),
} as const
