import { packContent } from '../../client/pack.ts'
import type { JobSpec } from '../../protocol/job.ts'
import { clientSettings } from '../client-settings.ts'
import type { ConnectOptions } from './connect.ts'

/** Flags that describe a job; shared by `run` and `submit`. */
export interface JobOptions extends ConnectOptions {
  readonly image?: string
  readonly content?: string
  readonly secretRef: readonly string[]
  readonly env: readonly string[]
  readonly queue?: string
  readonly entrypoint: readonly string[]
  readonly workdir?: string
  readonly pull?: 'IfNotPresent' | 'Always' | 'Never'
  readonly memory?: string
  readonly cpus?: number
  readonly pids?: number
  readonly network?: string
  readonly readOnly?: boolean
  readonly registryAuth?: string
  readonly tty?: boolean
  readonly secretFileType?: 'yaml' | 'json'
  readonly contOnWarnings?: boolean
  readonly timeout?: string
  readonly queueTimeout?: string
  readonly ttl?: string
  readonly vaultToken?: 'inherit' | 'none' | 'child'
  readonly vaultTokenPolicy: readonly string[]
  readonly direct?: boolean
  readonly outputLimit?: number
  readonly resultKey?: string
  readonly identity?: string
  readonly after?: string
  readonly idempotencyKey?: string
}

/** The job that the flags describe. What is not given is left out, so that the server's defaults and gostint.yml count. */
export async function jobSpecOf(command: readonly string[], options: JobOptions): Promise<JobSpec> {
  const limits = {
    ...(options.memory ? { memory: options.memory } : {}),
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
    ...(options.pids === undefined ? {} : { pids: options.pids }),
  }
  return {
    qname: (await clientSettings({ queue: options.queue })).queue ?? '',
    ...(options.image ? { container_image: options.image } : {}),
    ...(options.pull ? { image_pull_policy: options.pull } : {}),
    ...(options.content ? { content: await packContent(options.content) } : {}),
    ...(options.entrypoint.length ? { entrypoint: [...options.entrypoint] } : {}),
    ...(command.length ? { run: [...command] } : {}),
    ...(options.workdir ? { working_directory: options.workdir } : {}),
    ...(options.env.length ? { env_vars: [...options.env] } : {}),
    ...(options.tty ? { tty: true } : {}),
    ...(options.secretRef.length ? { secret_refs: [...options.secretRef] } : {}),
    ...(options.secretFileType ? { secret_file_type: options.secretFileType } : {}),
    ...(options.timeout ? { timeout: options.timeout } : {}),
    ...(options.queueTimeout ? { queue_timeout: options.queueTimeout } : {}),
    ...(options.ttl ? { ttl: options.ttl } : {}),
    ...(options.vaultToken ? { vault_token: options.vaultToken } : {}),
    ...(options.vaultTokenPolicy.length ? { vault_token_policies: [...options.vaultTokenPolicy] } : {}),
    ...(options.outputLimit ? { output_limit: options.outputLimit } : {}),
    ...(options.contOnWarnings ? { cont_on_warnings: true } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(options.network ? { network: options.network } : {}),
    ...(options.readOnly ? { read_only: true } : {}),
    ...(options.registryAuth ? { registry_auth: options.registryAuth } : {}),
  }
}
