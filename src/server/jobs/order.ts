import { parse } from 'yaml'
import { WritError } from '../../protocol/errors.ts'
import type { JobSpec } from '../../protocol/job.ts'
import { readResultKey } from '../../protocol/sealed-output.ts'
import { parseSecretRef, type SecretRef } from '../../protocol/secret-ref.ts'
import { isRecord } from '../../vault/response.ts'
import { checkContent, parseContent } from './content.ts'
import { type AskedLimits, askedLimits } from './limits.ts'
import { readTimeLimits, type TimeBounds, type TimeLimits, UNBOUNDED } from './time-limits.ts'
import { readVaultToken, type VaultTokenChoice } from './vault-token.ts'

/**
 * A job that was checked and is ready to be queued: what an envelope or a direct body asked for, with what its content adds
 * (gostint.md §6). Kept encrypted until the job runs.
 */
export interface Order {
  readonly qname: string
  /** As asked for; not resolved. */
  readonly image: string
  readonly pullPolicy: 'IfNotPresent' | 'Always' | 'Never'
  /** Path in Vault of the credentials of the image's registry; empty for none. */
  readonly registryAuth: string
  /** Base64 of the gzipped tar; empty for none. */
  readonly content: string
  readonly entrypoint: readonly string[]
  readonly run: readonly string[]
  readonly workingDirectory: string
  readonly envVars: readonly string[]
  readonly tty: boolean
  /** Of the content and of the job, in that order: a later one of the same name wins. */
  readonly secretRefs: readonly SecretRef[]
  readonly secretFileType: 'yaml' | 'json'
  readonly continueOnWarnings: boolean
  readonly vaultToken: VaultTokenChoice
  readonly limits: AskedLimits
  /** age recipients that the output is for; absent: it is not encrypted. */
  readonly resultKey?: string
  /** Bytes; absent: as much as the server keeps. */
  readonly outputLimit?: number
  readonly timeLimits: TimeLimits
}

const QNAME_BYTES = 255
/** How the queues of watches begin, which nobody else puts anything into. */
export const QUEUES_OF_WATCHES = 'watch/'

/**
 * Checks a job and fills in its defaults. Whatever can be known to be wrong is refused here, to the caller, and not hours later
 * in a queue. Throws `image_missing`, `content_…`, `secret_ref_invalid`, `env_var_invalid`, `image_metadata_invalid`,
 * `vault_token_invalid`, `duration_invalid`, `duration_too_long`.
 */
export async function makeOrder(spec: JobSpec, bounds: TimeBounds = UNBOUNDED): Promise<Order> {
  const gz = spec.content ? parseContent(spec.content) : null
  const metadata = gz ? readMetadata((await checkContent(gz)).metadata, 'gostint.yml') : EMPTY
  const image = (spec.container_image || metadata.image).trim()
  if (image === '') throw new WritError('image_missing')
  if (!/^[\w][\w.:/@-]{0,511}$/.test(image))
    throw new WritError('body_invalid', 'container_image is not an image reference')
  const qname = (spec.qname ?? '').toLowerCase()
  // what the database cannot keep must not be found out after the authority is spent: no NUL, no half characters, an index
  if (qname.includes('\0') || !qname.isWellFormed() || Buffer.byteLength(qname) > QNAME_BYTES)
    throw new WritError('body_invalid', `qname is longer than ${QNAME_BYTES} bytes or holds what no name can hold`)
  // The attack: a job that never ends in the queue of a watch, whose commits wait for it
  if (qname.startsWith(QUEUES_OF_WATCHES))
    throw new WritError('body_invalid', `queues whose names begin with ${QUEUES_OF_WATCHES} are those of watches`)
  for (const item of spec.env_vars ?? []) {
    if (!/^[^=\0]+=[^\0]*$/.test(item)) throw new WritError('env_var_invalid')
  }
  for (const item of [...(spec.entrypoint ?? []), ...(spec.run ?? []), spec.working_directory ?? '']) {
    if (item.includes('\0')) throw new WritError('body_invalid', 'a command with a NUL character')
  }
  return {
    qname,
    image,
    pullPolicy: spec.image_pull_policy || 'IfNotPresent',
    registryAuth: registryPath(spec.registry_auth ?? ''),
    content: gz?.toString('base64') ?? '',
    entrypoint: spec.entrypoint ?? [],
    run: spec.run ?? [],
    workingDirectory: spec.working_directory ?? '',
    envVars: spec.env_vars ?? [],
    tty: spec.tty ?? false,
    secretRefs: [...metadata.secretRefs, ...(spec.secret_refs ?? []).map(parseSecretRef)],
    secretFileType: spec.secret_file_type || 'yaml',
    continueOnWarnings: spec.cont_on_warnings ?? false,
    vaultToken: readVaultToken(spec),
    limits: askedLimits(spec),
    ...(spec.result_key ? { resultKey: await readResultKey(spec.result_key) } : {}),
    ...(spec.output_limit ? { outputLimit: spec.output_limit } : {}),
    timeLimits: readTimeLimits(spec, bounds),
  }
}

/** As strict as the path of a reference: it becomes part of an address in Vault. */
function registryPath(path: string): string {
  return path === '' ? '' : parseSecretRef(`registry@${path}.password`).path
}

export interface Metadata {
  readonly image: string
  readonly secretRefs: readonly SecretRef[]
}

const EMPTY: Metadata = { image: '', secretRefs: [] }

/** Reads `gostint.yml` of a content or `gostint_image.yml` of an image (gostint.md §7, §8.2). Throws `image_metadata_invalid`. */
export function readMetadata(text: string | null, name: string): Metadata {
  if (text === null) return EMPTY
  let parsed: unknown
  try {
    // no aliases: a few lines of them expand to gigabytes. No warnings: they repeat the text on standard error
    parsed = parse(text, { maxAliasCount: 0, logLevel: 'error' })
  } catch {
    throw new WritError('image_metadata_invalid', `${name} is not YAML`)
  }
  if (parsed === null) return EMPTY
  if (!isRecord(parsed)) throw new WritError('image_metadata_invalid', `${name} is not a list of keys and values`)
  const container_image = parsed.container_image ?? ''
  const secret_refs = parsed.secret_refs ?? []
  if (typeof container_image !== 'string')
    throw new WritError('image_metadata_invalid', `container_image of ${name} is not text`)
  if (!Array.isArray(secret_refs) || secret_refs.some(ref => typeof ref !== 'string')) {
    throw new WritError('image_metadata_invalid', `secret_refs of ${name} is not a list of texts`)
  }
  return { image: container_image, secretRefs: secret_refs.map(parseSecretRef) }
}
