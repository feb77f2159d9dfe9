import { isRecord } from '../../../vault/response.ts'
import type { Job } from './answers.ts'
import {
  COMMIT_PLACEHOLDER,
  COMMIT_VARIABLE,
  FILES_FOLDER,
  FILES_VOLUME,
  isVaultsVariable,
  parseTemplate,
  VAULTS_VARIABLE,
} from './template.ts'

type Json = Record<string, unknown>

/** What becomes a Job. Nothing in it is secret: it shows in the Job, but for what its Secret will hold. */
export interface KubernetesSpec {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** YAML, as `parseTemplate` takes it. */
  readonly template: string
  readonly commit: string
  /** `NAME=value`; what the template says of the same name counts instead. */
  readonly env: readonly string[]
  /** Names of the variables that come from the Secret, beside `VAULTS_B64_JSON`, which every job has. */
  readonly secretEnv: readonly string[]
  /** Names of the files of the Secret, which will be in `/run/writ`. */
  readonly files: readonly string[]
  /** How long it may run, for a cluster that hears of no server of ours any more; null: as long as it likes. */
  readonly deadlineSeconds: number | null
}

/** Of the attempt that made the Job: another one's Secret has another name. */
const ATTEMPT_LABEL = 'writ.attempt'
const STARTED_ANNOTATION = 'writ.started'

/** The Job of a spec: suspended, and with a Secret missing, so that nothing in it can run yet. Throws `TemplateRefused`. */
export function manifestOf(spec: KubernetesSpec, namespace: string): Json {
  const { metadata, podMetadata, pod } = withCommit(parseTemplate(spec.template), spec.commit)
  const labels = (own: Json) => ({ ...own, ...spec.labels })
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...metadata, name: spec.name, namespace, labels: labels(metadata.labels) },
    spec: {
      suspend: true,
      // a commit runs once: what fails has failed, and writ says whether there is another attempt
      backoffLimit: 0,
      parallelism: 1,
      completions: 1,
      ...(spec.deadlineSeconds === null ? {} : { activeDeadlineSeconds: spec.deadlineSeconds }),
      template: {
        metadata: { ...podMetadata, labels: labels(podMetadata.labels) },
        spec: podOf(pod, spec),
      },
    },
  }
}

function podOf(pod: ReturnType<typeof parseTemplate>['pod'], spec: KubernetesSpec): Json {
  const secret = secretName(spec.name, spec.labels)
  const [container] = pod.containers
  const initContainers = Array.isArray(pod.initContainers) ? (pod.initContainers as Json[]) : []
  const volumes = Array.isArray(pod.volumes) ? pod.volumes : []
  const files = spec.files.length > 0
  return {
    ...pod,
    restartPolicy: 'Never',
    initContainers: initContainers.map(each => withEnv(each, secret, plain(spec.commit, []))),
    containers: [
      {
        ...withEnv(container, secret, [
          ...plain(spec.commit, spec.env),
          ...[VAULTS_VARIABLE, ...spec.secretEnv].map(name => reference(name, secret, name)),
        ]),
        ...(files ? { volumeMounts: [...listOf(container.volumeMounts), MOUNT] } : {}),
      },
    ],
    ...(files
      ? {
          volumes: [
            ...volumes,
            {
              name: FILES_VOLUME,
              secret: { secretName: secret, items: spec.files.map(name => ({ key: name, path: name })) },
            },
          ],
        }
      : {}),
  }
}

const MOUNT: Json = { name: FILES_VOLUME, mountPath: FILES_FOLDER, readOnly: true }

function plain(commit: string, env: readonly string[]): Json[] {
  return [`${COMMIT_VARIABLE}=${commit}`, ...env].map(item => {
    const at = item.indexOf('=')
    return { name: item.slice(0, at), value: item.slice(at + 1) }
  })
}

/** A variable from the Secret. Never optional: without its Secret the container does not start. */
function reference(name: unknown, secret: string, key: string): Json {
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } }
}

function withEnv(container: Json, secret: string, more: readonly Json[]): Json {
  const own = listOf(container.env).map(variable =>
    isVaultsVariable(variable) ? reference(variable.name, secret, VAULTS_VARIABLE) : variable,
  )
  const names = new Set(own.map(variable => variable.name))
  return { ...container, env: [...own, ...more.filter(({ name }) => !names.has(name))] }
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value : []
}

function withCommit<T>(value: T, commit: string): T {
  if (typeof value === 'string') return value.replace(COMMIT_PLACEHOLDER, commit) as T
  if (Array.isArray(value)) return value.map(item => withCommit(item, commit)) as T
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withCommit(item, commit)])) as T
}

function secretName(job: string, labels: Readonly<Record<string, string>> | undefined): string {
  return `${job}-${labels?.[ATTEMPT_LABEL] ?? 0}`
}

export function secretOf({ metadata }: Job): string {
  return secretName(metadata.name, metadata.labels)
}

/** The Secret of a Job: goes with it, whoever deletes it, and cannot be changed. */
export function secretManifest({ metadata }: Job, data: Readonly<Record<string, Uint8Array>>): Json {
  const { name, uid, labels } = metadata
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    immutable: true,
    metadata: {
      name: secretName(name, labels),
      labels: Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => key.startsWith('writ.'))),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
    },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  }
}

/** What starts a Job, if it is still the one that was looked at. */
export function startPatch({ metadata }: Job): Json {
  const { uid, resourceVersion } = metadata
  return {
    metadata: { uid, resourceVersion, annotations: { [STARTED_ANNOTATION]: new Date().toISOString() } },
    spec: { suspend: false },
  }
}

/** When we started it; null if we did not: suspended alone says nothing, since anybody may suspend a Job that runs. */
export function startedAt({ metadata }: Job): Date | null {
  const at = metadata.annotations?.[STARTED_ANNOTATION]
  return at === undefined ? null : new Date(at)
}

/** `Complete` or `Failed` once it has ended, and why. What is only on its way there (`FailureTarget`) is no end. */
export function endOf({ status }: Job): { type: 'Complete' | 'Failed'; reason: string; message: string } | null {
  for (const { type, status: is, reason = '', message = '' } of status?.conditions ?? [])
    if ((type === 'Complete' || type === 'Failed') && is === 'True') return { type, reason, message }
  return null
}
