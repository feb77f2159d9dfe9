import { setImmediate } from 'node:timers/promises'
import { Secret } from '../../vault/secret.ts'
import type { Image, SecretFiles } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import type { Hold } from '../store/runs.ts'
import { containerSpec, secretFiles } from './container.ts'
import type { Engine } from './engine.ts'
import { imageOf, localImage } from './job-image.ts'
import { endLeases } from './leases.ts'
import { type Order, readMetadata } from './order.ts'
import { seal, unseal } from './sealed.ts'
import { resolveSecrets, type Secrets } from './secrets.ts'
import { giveToken } from './vault-token.ts'

/** All that a container needs, in memory and nowhere else. */
export interface Prepared {
  /** Creates its container, as `Runtime.create`. */
  readonly create: (signal: AbortSignal) => Promise<string | null>
  /** Goes on record with the start. */
  readonly imageDigest: string
  /** Asked when the container is made and before it starts. */
  readonly secrets: () => Promise<Given>
  /** There are lines of ours in the output already. */
  readonly spoke: boolean
}

/** What a container is given when it starts. */
export interface Given {
  readonly files: SecretFiles
  /** What must not show in the output. */
  readonly masks: Secrets
  /** The same for whoever takes over, as `sealMasks` made it: goes on record with the start. */
  readonly sealedMasks: string
}

/** What a job needs, open. */
interface OpenOrder {
  readonly order: Order
  /** Its own. */
  readonly token: Secret
  /** As `localImage`. */
  readonly local: Promise<Image | null>
}

/** What a node that has just taken in a job still holds of it. Given once, so that it does not stay for as long as the job runs. */
export class Opened {
  #order: OpenOrder | null

  constructor(order: OpenOrder) {
    this.#order = order
  }

  take(): OpenOrder | null {
    const order = this.#order
    this.#order = null
    return order
  }
}

/** Opens what was kept of a job, gets its image and reads its secrets (DESIGN §5, step 4). `untouched`: it is the first try. */
export async function prepareJob(
  engine: Engine,
  hold: Hold,
  job: Job,
  { untouched, opened, signal }: { untouched: boolean; opened?: Opened | undefined; signal: AbortSignal },
): Promise<Prepared> {
  const { order, token, local } = opened?.take() ?? (await open(engine, job, signal))
  // what an earlier try read is of no use to anyone: without this, each try would leave a credential behind
  if (!untouched) await endLeases(engine, hold.id)
  const { image, masks: ofRegistry, spoke } = await imageOf(engine, hold, order, { token, local, signal })
  const refs = [...readMetadata(image.metadata, 'gostint_image.yml').secretRefs, ...order.secretRefs]
  const wanted = { hold, token, refs, continueOnWarnings: order.continueOnWarnings }
  const read = await resolveSecrets(engine, wanted, signal)
  const given = await giveToken(engine, hold, order.vaultToken, token, signal)
  // a reference named TOKEN takes its place in the file
  const secrets = new Map([...(given ? [['TOKEN', given] as const] : []), ...read])
  // no reference can have a name with a blank
  const ofToken = given && read.has('TOKEN') ? [['job token', given] as const] : []
  const masks = new Map([...secrets, ...ofToken, ...ofRegistry])
  const files = secretFiles(engine, order, secrets, given)
  // behind the request for the container, and while it is made
  const sealing = setImmediate().then(() => sealMasks(engine, masks))
  sealing.catch(() => {})
  const tenant = job.submitter_entity || job.submitter_accessor_hash
  const spec = containerSpec(engine, hold.id, hold.attempt, order, image, tenant)
  return {
    create: lost => engine.runtime.create(spec, lost),
    imageDigest: image.digest,
    secrets: async () => ({ files, masks, sealedMasks: await sealing }),
    spoke,
  }
}

async function open(engine: Engine, job: Job, signal: AbortSignal): Promise<OpenOrder> {
  const local = localImage(engine, job, signal)
  const [order = '', token = ''] = await unseal(engine, [job.sealed_spec ?? '', job.sealed_token ?? ''], signal)
  return { order: JSON.parse(order) as Order, token: new Secret(token), local }
}

/** The values to mask, kept encrypted for whoever takes over: he must mask as we do and may not read the secrets again. */
export async function sealMasks(engine: Engine, secrets: Secrets): Promise<string> {
  const masks = Object.fromEntries([...secrets].map(([name, secret]) => [name, secret.reveal()]))
  const [sealed = ''] = await seal(engine, [JSON.stringify(masks)])
  return sealed
}

/** What `prepareJob` kept, for an attempt that goes on with a container of an earlier one. */
export async function openMasks(engine: Engine, job: Job, signal: AbortSignal): Promise<Secrets> {
  const [masks = '{}'] = job.sealed_masks ? await unseal(engine, [job.sealed_masks], signal) : []
  return new Map(
    Object.entries(JSON.parse(masks) as Record<string, string>).map(([name, value]) => [name, new Secret(value)]),
  )
}
