import { parse } from 'yaml'
import { isRecord } from '../../../vault/response.ts'

type Json = Record<string, unknown>

/** A template that may become a Job of ours: nothing in it contradicts what a job is. */
export interface JobTemplate {
  /** Empty: it says none. */
  readonly namespace: string
  /** Of the job's one container. */
  readonly image: string
  /** Of all its containers. */
  readonly images: readonly string[]
  readonly metadata: Metadata
  readonly podMetadata: Metadata
  /** `spec.template.spec` */
  readonly pod: Json & { readonly containers: readonly [Json] }
}

interface Metadata {
  readonly labels: Json
  readonly annotations: Json
}

/** The template is refused; says what of it. */
export class TemplateRefused extends Error {
  override readonly name = 'TemplateRefused'
}

const LONGEST = 64 * 1024

/** Replaced wherever it stands. */
export const COMMIT_PLACEHOLDER = /\{\{ *GIT_COMMIT *\}\}/g
/** Replaced where it is all of a variable's value: by a reference, so that no token ever stands in a Job. */
const VAULTS_PLACEHOLDER = /\{\{ *VAULTS_B64_JSON *\}\}/
const ALONE = { commit: /^\{\{ *GIT_COMMIT *\}\}$/, vaults: /^\{\{ *VAULTS_B64_JSON *\}\}$/ }

/** Variables that are writ's in every job; the template may only name them by their placeholders. */
export const COMMIT_VARIABLE = 'GIT_COMMIT'
export const VAULTS_VARIABLE = 'VAULTS_B64_JSON'
/** Where the files of the Secret are, and the name of their volume. */
export const FILES_FOLDER = '/run/writ'
export const FILES_VOLUME = 'writ-files'

/** What a Job may say of itself, and the one thing that it may say: anything else could run a commit twice, or never end. */
const FIXED: Json = { backoffLimit: 0, parallelism: 1, completions: 1, completionMode: 'NonIndexed', suspend: false }
const POD_NEVER = ['activeDeadlineSeconds', 'ephemeralContainers', 'nodeName']

/**
 * Reads the template of a Kubernetes job (gitops.md §16.4): one YAML document that is a `batch/v1` Job with one container, perhaps
 * with init containers before it. Throws `TemplateRefused`. What a pod may do in its namespace is for that namespace's administrator
 * to say (Pod Security, quotas, service accounts), and not decided here.
 */
export function parseTemplate(text: string): JobTemplate {
  if (text === '' || text.length > LONGEST) throw new TemplateRefused(`it is missing, or longer than ${LONGEST}`)
  const job = yaml(text)
  if (!isRecord(job) || job.apiVersion !== 'batch/v1' || job.kind !== 'Job')
    throw new TemplateRefused('it is not YAML of a batch/v1 Job')
  only(job, 'the Job', ['apiVersion', 'kind', 'metadata', 'spec', 'status'])
  const named = record(job.metadata, 'metadata')
  const spec = record(job.spec, 'spec')
  for (const [key, value] of Object.entries(spec)) {
    if (key === 'template') continue
    if (!Object.hasOwn(FIXED, key)) throw new TemplateRefused(`spec.${key} is not for the template to say`)
    if (value !== FIXED[key]) throw new TemplateRefused(`spec.${key} can only be ${FIXED[key]}`)
  }
  const template = record(spec.template, 'spec.template')
  only(template, 'spec.template', ['metadata', 'spec'])
  const pod = readPod(record(template.spec, 'spec.template.spec'))
  const { containers, initContainers } = pod
  const images = [...containers, ...initContainers].map(({ image }) => String(image))
  noSecrets(job, isVaultsVariable)
  return {
    namespace: named.namespace === undefined ? '' : word(named.namespace, 'metadata.namespace'),
    image: images[0] ?? '',
    images,
    metadata: readMetadata(named, 'metadata', ['name', 'generateName', 'namespace']),
    podMetadata: readMetadata(record(template.metadata ?? {}, 'spec.template.metadata'), 'spec.template.metadata'),
    pod: { ...record(template.spec, 'spec.template.spec'), containers: [containers[0] as Json] },
  }
}

function yaml(text: string): unknown {
  try {
    // no aliases: a few lines of them expand to gigabytes. No warnings: they repeat the text on standard error
    return parse(text, { maxAliasCount: 0, logLevel: 'error' })
  } catch {
    return null
  }
}

function readMetadata(metadata: Json, where: string, more: readonly string[] = []): Metadata {
  only(metadata, where, ['labels', 'annotations', 'creationTimestamp', ...more])
  const texts = (key: 'labels' | 'annotations'): Json => {
    const values = record(metadata[key] ?? {}, `${where}.${key}`)
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== 'string') throw new TemplateRefused(`${where}.${key}: ${name} is not text`)
      // by them a job is found again, and known to have been started
      if (name.startsWith('writ.')) throw new TemplateRefused(`${where}.${key}: names that begin with writ. are writ's`)
    }
    return values
  }
  return { labels: texts('labels'), annotations: texts('annotations') }
}

function readPod(pod: Json): { containers: Json[]; initContainers: Json[] } {
  const at = 'spec.template.spec'
  for (const key of POD_NEVER)
    if (pod[key] !== undefined) throw new TemplateRefused(`${at}.${key} is not for the template to say`)
  if (pod.restartPolicy !== undefined && pod.restartPolicy !== 'Never')
    throw new TemplateRefused(`${at}.restartPolicy can only be Never`)
  const containers = records(pod.containers, `${at}.containers`)
  // the output and the exit code of a job are those of its container: of two, which?
  if (containers.length !== 1) throw new TemplateRefused(`${at}.containers has not exactly one container`)
  const initContainers = records(pod.initContainers ?? [], `${at}.initContainers`)
  for (const container of [...containers, ...initContainers]) checkContainer(container, at)
  for (const { name } of records(pod.volumes ?? [], `${at}.volumes`))
    if (name === FILES_VOLUME) throw new TemplateRefused(`${at}.volumes: ${FILES_VOLUME} is writ's`)
  return { containers, initContainers }
}

function checkContainer(container: Json, at: string): void {
  if (typeof container.image !== 'string' || container.image === '')
    throw new TemplateRefused(`${at}: a container without image`)
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(container.image))
    throw new TemplateRefused(`${at}: an image with a character that none has`)
  for (const key of ['restartPolicy', 'restartPolicyRules'])
    if (container[key] !== undefined) throw new TemplateRefused(`${at}: a container with ${key}`)
  for (const { mountPath } of records(container.volumeMounts ?? [], `${at}: volumeMounts`)) {
    const path = String(mountPath).replace(/\/+/g, '/')
    if (`${path}/`.startsWith(`${FILES_FOLDER}/`)) throw new TemplateRefused(`${at}: ${FILES_FOLDER} is writ's`)
  }
  const names = new Set<unknown>()
  for (const variable of records(container.env ?? [], `${at}: env`)) {
    const { name, value } = variable
    if (names.has(name)) throw new TemplateRefused(`${at}: env has ${name} twice`)
    names.add(name)
    if (typeof name !== 'string' || name === '') throw new TemplateRefused(`${at}: env has a variable without name`)
    if (!isFree(name, value)) throw new TemplateRefused(`${at}: ${name} is set by writ`)
  }
}

function isFree(name: string, value: unknown): boolean {
  if (name === COMMIT_VARIABLE) return typeof value === 'string' && ALONE.commit.test(value)
  if (name === VAULTS_VARIABLE) return typeof value === 'string' && ALONE.vaults.test(value)
  return !name.startsWith('VAULT_REQUEST_TOKEN_')
}

/** A variable of a container whose value is the tokens, and nothing around them. */
export function isVaultsVariable(value: unknown): boolean {
  return isRecord(value) && typeof value.value === 'string' && ALONE.vaults.test(value.value)
}

/**
 * No token may come to stand in a Job, which many may read, nor may a template read the Secret of another job. The one place of the
 * placeholder is the value of a variable, where a reference takes its place.
 */
function noSecrets(value: unknown, isPlace: (value: unknown) => boolean, key = ''): void {
  if (typeof value === 'string') {
    if (VAULTS_PLACEHOLDER.test(value))
      throw new TemplateRefused('{{VAULTS_B64_JSON}} stands elsewhere than as the value of a variable')
    if (/writ-[0-9a-f]{24}/.test(value)) throw new TemplateRefused('it names a job of writ')
  } else if (Array.isArray(value)) {
    for (const item of value) if (!(key === 'env' && isPlace(item))) noSecrets(item, isPlace)
  } else if (isRecord(value)) {
    for (const [name, item] of Object.entries(value)) {
      noSecrets(name, isPlace)
      noSecrets(item, isPlace, name)
    }
  }
}

function only(value: Json, where: string, keys: readonly string[]): void {
  for (const key of Object.keys(value))
    if (!keys.includes(key)) throw new TemplateRefused(`${where}.${key} is not for the template to say`)
}

function record(value: unknown, where: string): Json {
  if (!isRecord(value)) throw new TemplateRefused(`${where} is missing, or not a map`)
  return value
}

function records(value: unknown, where: string): Json[] {
  if (!Array.isArray(value) || !value.every(isRecord)) throw new TemplateRefused(`${where} is not a list of maps`)
  return value
}

function word(value: unknown, where: string): string {
  if (typeof value !== 'string' || !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(value))
    throw new TemplateRefused(`${where} is not a name of Kubernetes`)
  return value
}
