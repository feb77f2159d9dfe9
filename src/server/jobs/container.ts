import type { Secret } from '../../vault/secret.ts'
import type { ContainerSpec, Image, SecretFiles } from '../runtimes/runtime.ts'
import { SECRETS_DIRECTORY } from '../runtimes/runtime.ts'
import type { Hold } from '../store/runs.ts'
import { repackContent } from './content.ts'
import type { Engine } from './engine.ts'
import { resolveLimits } from './limits.ts'
import type { Order } from './order.ts'
import type { Secrets } from './secrets.ts'
import { secretsFile } from './secrets-file.ts'
import type { SourcedFiles } from './source.ts'

/** Every container of ours carries it: what does not is never touched. */
const OWNER_LABEL = 'writ.owner'
/** Whose: several databases' servers may share one engine. */
export const INSTALLATION_LABEL = 'writ.installation'
/** The process that made it. */
export const NODE_LABEL = 'writ.node'

/** On everything that we make on an engine. */
export function ownLabels(node: string, installation: string): Record<string, string> {
  return { [OWNER_LABEL]: 'writ', [INSTALLATION_LABEL]: installation, [NODE_LABEL]: node }
}

/** The name of a job's container: there can be only one of that name, so there can be only one. */
export function containerName(jobId: string): string {
  return `writ-${jobId}`
}

export function jobLabels({ node, installation }: Engine, jobId: string, attempt: number): Record<string, string> {
  return { ...ownLabels(node, installation), 'writ.job': jobId, 'writ.attempt': String(attempt) }
}

/** What the engine is told about the container of an order. Nothing in it is secret: it shows in the engine's descriptions. */
export function containerSpec(
  engine: Engine,
  jobId: string,
  attempt: number,
  order: Order,
  image: Image,
  tenant?: string,
): ContainerSpec {
  const { settings } = engine
  const gz = order.content ? Buffer.from(order.content, 'base64') : null
  return {
    name: containerName(jobId),
    labels: jobLabels(engine, jobId, attempt),
    image,
    argv: commandOf(order, image),
    env: [
      ...order.envVars,
      // what a job asks the gate by
      `WRIT_JOB_ID=${jobId}`,
      `VAULT_ADDR=${settings.vaultAddr}`,
      `VAULT_CACERT=${settings.vaultCa ? `${SECRETS_DIRECTORY}/${CA_FILE}` : ''}`,
    ],
    workingDirectory: order.workingDirectory || undefined,
    tty: order.tty,
    ...(tenant ? { tenant } : {}),
    content: gz ? () => repackContent(gz, `secrets.${order.secretFileType === 'json' ? 'json' : 'yml'}`) : undefined,
    limits: resolveLimits(settings, order.limits),
  }
}

/** The same for a job of a source: it brings its files and its environment, and is told nothing of the server's own Vault. */
export function sourcedContainer(
  engine: Engine,
  hold: Hold,
  order: Order,
  image: Image,
  { content, env, tenant }: SourcedFiles,
): ContainerSpec {
  return { ...containerSpec(engine, hold.id, hold.attempt, order, image, tenant), content, env }
}

const CA_FILE = 'vault-ca.pem'

/**
 * What goes into the container's memory and nowhere else (gostint.md §8.3). VAULT_TOKEN is the token given to the job, also where a
 * reference named TOKEN takes its place in the file.
 */
export function secretFiles(engine: Engine, order: Order, secrets: Secrets, token: Secret | null): SecretFiles {
  const { name, text } = secretsFile(secrets, order.secretFileType)
  const files: Record<string, Uint8Array> = { [name]: Buffer.from(text.reveal()) }
  if (engine.settings.vaultCa) files[CA_FILE] = Buffer.from(engine.settings.vaultCa)
  return { files, env: token ? { VAULT_TOKEN: token.reveal() } : {} }
}

/** As an engine would do it: an entry point of one's own drops the image's command (gostint.md §9.2), and an empty one the entry point too. */
function commandOf(order: Order, image: Image): string[] {
  if (order.entrypoint.length === 1 && order.entrypoint[0] === '') return [...order.run]
  if (order.entrypoint.length > 0) return [...order.entrypoint, ...order.run]
  return [...image.entrypoint, ...(order.run.length > 0 ? order.run : image.command)]
}
