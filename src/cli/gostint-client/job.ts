import { packContent } from '../../client/pack.ts'
import { readBody } from '../../protocol/body.ts'
import { JobSpec } from '../../protocol/job.ts'
import type { Flags } from './flag-table.ts'
import { OptionsError } from './options.ts'

/**
 * The job of `-job-json` and the flags, which win over it. A flag that was not given changes nothing, also not by its default:
 * GoStint's own client replaced the job's pull policy and file type by defaults that nobody had asked for (BUG 43).
 */
export async function jobOf(flags: Flags): Promise<JobSpec> {
  const { known, others } = readJobJson(flags['job-json'] ?? '')
  const spec: JobSpec = { ...known }
  if (flags.qname) spec.qname = flags.qname
  if (flags.image) spec.container_image = flags.image
  if (flags['image-pull-policy'])
    spec.image_pull_policy = flags['image-pull-policy'] as NonNullable<JobSpec['image_pull_policy']>
  if (flags.content) spec.content = await packContent(flags.content).catch(unreadableContent)
  if (flags.entrypoint) spec.entrypoint = strings('entrypoint', flags.entrypoint)
  if (flags.run) spec.run = strings('run', flags.run)
  if (flags['run-dir']) spec.working_directory = flags['run-dir']
  if (flags['env-vars']) spec.env_vars = strings('env-vars', flags['env-vars'])
  if (flags['secret-refs']) spec.secret_refs = strings('secret-refs', flags['secret-refs'])
  if (flags['secret-filetype']) {
    const type = flags['secret-filetype']
    if (type !== 'yaml' && type !== 'json') throw new OptionsError(['-secret-filetype is either yaml or json'])
    spec.secret_file_type = type
  }
  if (flags['cont-on-warnings']) spec.cont_on_warnings = true
  // GoStint's server lower-cases the name on the envelope, and not the one in it: every queue with a capital failed (BUG 11)
  if (spec.qname) spec.qname = spec.qname.toLowerCase()
  return { ...others, ...spec }
}

/**
 * Fields that we know, in our spelling and checked before anything is asked of Vault, and all others as they are: a newer server
 * may know them.
 */
function readJobJson(text: string): { known: JobSpec; others: object } {
  if (text === '') return { known: {}, others: {} }
  const job = parse(text)
  if (typeof job !== 'object' || job === null || Array.isArray(job)) {
    throw new OptionsError(['-job-json is not a JSON object'])
  }
  const names = new Set(Object.keys(JobSpec.properties))
  const others = Object.fromEntries(Object.entries(job).filter(([key]) => !names.has(key.toLowerCase())))
  try {
    return { known: readBody(JobSpec, job, 'body_invalid'), others }
  } catch (error) {
    throw new OptionsError([`-job-json: ${(error as Error).message}`])
  }
}

function strings(name: string, text: string): string[] {
  const value = parse(text)
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string')) {
    throw new OptionsError([`-${name} is not a JSON array of strings, such as '["a", "b"]'`])
  }
  return value
}

/** Undefined, which no JSON is, for what is none: the engine's own message quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreadableContent(error: NodeJS.ErrnoException): never {
  throw new OptionsError([`-content cannot be packed: ${error.path ?? 'unreadable'} (${error.code ?? error.message})`])
}
