import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Secret } from '../../../vault/secret.ts'

/** Where the API server is and how this process itself is known to it. */
export interface Cluster {
  readonly origin: string
  readonly ca: string | undefined
  /** Read for each call: Kubernetes replaces the file, at the latest every hour. Throws an Error. */
  token(): Promise<Secret>
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

export interface ClusterOptions {
  /** Outside of the cluster: `https://host:port`. */
  readonly server?: string | undefined
  readonly caFile?: string | undefined
  readonly tokenFile?: string | undefined
}

/**
 * The API server of the cluster that this process runs in, or the one that is named. Throws an Error for the configuration: over plain
 * HTTP anybody on the way could answer in its place, so that is refused.
 */
export function findCluster(options: ClusterOptions, env: NodeJS.ProcessEnv = process.env): Cluster {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  const inside = host && `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  const server = options.server || inside
  if (!server) throw new Error('finds no Kubernetes API server: outside of a cluster it has to be named')
  const url = URL.canParse(server) ? new URL(server) : undefined
  if (url?.protocol !== 'https:' || url.username || url.pathname !== '/' || url.search) {
    throw new Error('has a Kubernetes API server that is not https://host:port')
  }
  const tokenFile = options.tokenFile || join(ACCOUNT_FOLDER, 'token')
  const caFile = options.caFile || (options.server ? undefined : join(ACCOUNT_FOLDER, 'ca.crt'))
  return {
    origin: url.origin,
    ca: caFile ? readFileSync(caFile, 'utf8') : undefined,
    token: async () => {
      try {
        return new Secret((await readFile(tokenFile, 'utf8')).trim())
      } catch (cause) {
        throw new Error('the token of its own service account cannot be read', { cause })
      }
    },
  }
}
