import { Secret } from '../../vault/secret.ts'
import type { KubernetesSpec } from '../runtimes/kubernetes/manifest.ts'
import type { Job } from '../store/jobs.ts'
import type { Hold } from '../store/runs.ts'
import { containerName, jobLabels, sourcedContainer } from './container.ts'
import type { Engine } from './engine.ts'
import { imageOf, localImage } from './job-image.ts'
import { type Given, type Prepared, sealMasks } from './prepare.ts'
import { kubernetesOf } from './runtime-of.ts'
import { unseal } from './sealed.ts'
import type { JobSource, SourcedManifest, SourcedSecrets } from './source.ts'
import type { SourcedOrder } from './sourced.ts'

/** As `prepareJob`, for a job of a source: no token and no references; what it is given comes from the source, at the last moment. */
export async function prepareSourced(
  engine: Engine,
  source: JobSource,
  hold: Hold,
  job: Job,
  signal: AbortSignal,
): Promise<Prepared> {
  if (job.kubernetes_namespace !== null) return await prepareKubernetes(engine, source, hold, job, signal)
  const local = localImage(engine, job, signal)
  const { order, detail } = await openOrder(engine, job, signal)
  const { image, spoke } = await imageOf(engine, hold, order, { token: new Secret(''), local, signal })
  const spec = sourcedContainer(engine, hold, order, image, await source.prepare(job, detail, signal))
  return {
    create: lost => engine.runtime.create(spec, lost),
    imageDigest: image.digest,
    spoke,
    secrets: async () => await given(engine, await source.secrets(job, detail, signal), {}),
  }
}

async function prepareKubernetes(
  engine: Engine,
  source: JobSource,
  hold: Hold,
  job: Job,
  signal: AbortSignal,
): Promise<Prepared> {
  const runtime = kubernetesOf(engine, job.kubernetes_namespace ?? '')
  const { detail } = await openOrder(engine, job, signal)
  const manifest = await source.prepareKubernetes(job, detail, signal)
  const spec = kubernetesSpec(engine, hold, job, manifest)
  return {
    create: lost => runtime.create(spec, lost),
    // Kubernetes pulls it, later: of what is not pinned it is not known
    imageDigest: job.image.includes('@') ? job.image : '',
    spoke: false,
    secrets: async () => await given(engine, await source.secrets(job, detail, signal), manifest.files),
  }
}

async function openOrder(engine: Engine, job: Job, signal: AbortSignal): Promise<SourcedOrder> {
  const [text = ''] = await unseal(engine, [job.sealed_spec ?? ''], signal)
  return JSON.parse(text) as SourcedOrder
}

async function given(engine: Engine, secrets: SourcedSecrets, files: Given['files']['files']): Promise<Given> {
  const masks = new Map([...secrets.env, ...secrets.masks])
  const env = Object.fromEntries([...secrets.env].map(([name, secret]) => [name, secret.reveal()]))
  return { files: { files, env }, masks, sealedMasks: await sealMasks(engine, masks) }
}

/** Longer than we would wait ourselves: for a cluster that hears of no server any more. */
const DEADLINE_MARGIN = 60

function kubernetesSpec(engine: Engine, { attempt }: Hold, job: Job, manifest: SourcedManifest): KubernetesSpec {
  const { template, commit, env, secretEnv, files } = manifest
  const margin = DEADLINE_MARGIN + engine.settings.killGraceSeconds
  return {
    name: containerName(job.id),
    labels: jobLabels(engine, job.id, attempt),
    template,
    commit,
    env: [...env, `WRIT_JOB_ID=${job.id}`],
    secretEnv,
    files: Object.keys(files),
    deadlineSeconds: job.run_seconds === null ? null : job.run_seconds + margin,
  }
}
