import { Secret } from '../../vault/secret.ts'
import type { Job } from '../store/jobs.ts'
import type { Hold } from '../store/runs.ts'
import { sourcedContainer } from './container.ts'
import type { Engine } from './engine.ts'
import { imageOf, localImage } from './job-image.ts'
import { type Prepared, sealMasks } from './prepare.ts'
import { unseal } from './sealed.ts'
import type { JobSource } from './source.ts'
import type { SourcedOrder } from './sourced.ts'

/** As `prepareJob`, for a job of a source: no token and no references; what it is given comes from the source, at the last moment. */
export async function prepareSourced(
  engine: Engine,
  source: JobSource,
  hold: Hold,
  job: Job,
  signal: AbortSignal,
): Promise<Prepared> {
  const local = localImage(engine, job, signal)
  const [orderText = ''] = await unseal(engine, [job.sealed_spec ?? ''], signal)
  const { order, detail } = JSON.parse(orderText) as SourcedOrder
  const { image, spoke } = await imageOf(engine, hold, order, { token: new Secret(''), local, signal })
  const files = await source.prepare(job, detail, signal)
  const spec = sourcedContainer(engine, hold, order, image, files)
  return {
    create: lost => engine.runtime.create(spec, lost),
    imageDigest: image.digest,
    spoke,
    secrets: async () => {
      const secrets = await source.secrets(job, detail, signal)
      const sealedMasks = await sealMasks(engine, secrets)
      const env = Object.fromEntries([...secrets].map(([name, secret]) => [name, secret.reveal()]))
      return { files: { files: {}, env }, masks: secrets, sealedMasks }
    },
  }
}
