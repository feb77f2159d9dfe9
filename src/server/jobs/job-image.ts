import { WritError } from '../../protocol/errors.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Image, RegistryLogin } from '../runtimes/runtime.ts'
import type { Job } from '../store/jobs.ts'
import type { Hold } from '../store/runs.ts'
import type { Engine } from './engine.ts'
import { createMasker } from './mask.ts'
import type { Order } from './order.ts'
import { resolveSecrets, type Secrets } from './secrets.ts'
import { SystemLines } from './system-lines.ts'

/** Names that no reference can have. */
const USERNAME = 'registry username'
const PASSWORD = 'registry password'

interface JobImage {
  readonly image: Image
  /** What must not show in the output. */
  readonly masks: Secrets
  /** Lines were stored among the job's output. */
  readonly spoke: boolean
}

/** The image, if it is on the engine already: what it is called is no secret, so it is looked for while the order is still being opened. */
export async function localImage(engine: Engine, job: Pick<Job, 'image'>, signal?: AbortSignal): Promise<Image | null> {
  return await engine.runtime.image(job.image, 'Never', signal ? { signal } : {}).catch(() => null)
}

interface Circumstances {
  /** For the credentials of a registry. */
  readonly token: Secret
  readonly local: Promise<Image | null>
  readonly signal: AbortSignal
}

/**
 * Gets the image of a job, with the credentials that it refers to, and tells its followers about the pull. A registry is
 * somebody else: what it says, and the engine repeats, may hold the password that it was sent.
 */
export async function imageOf(
  engine: Engine,
  hold: Hold,
  order: Order,
  { token, local, signal }: Circumstances,
): Promise<JobImage> {
  const here = order.pullPolicy === 'Always' || order.registryAuth ? null : await local
  if (here) return { image: here, masks: new Map(), spoke: false }
  const { login, masks } = await registryLogin(engine, hold, order, token, signal)
  const lines = new SystemLines(engine, hold)
  const onProgress = (line: string) => lines.say(masked(masks, line))
  try {
    const image = await engine.runtime.image(order.image, order.pullPolicy, { signal, onProgress, ...login })
    return { image, masks, spoke: await lines.end() }
  } catch (error) {
    await lines.end()
    if (!(error instanceof WritError) || !error.detail || masks.size === 0) throw error
    throw new WritError(error.code, masked(masks, error.detail))
  }
}

async function registryLogin(
  engine: Engine,
  hold: Hold,
  { registryAuth: path, continueOnWarnings }: Order,
  token: Secret,
  signal: AbortSignal,
): Promise<{ login: { login?: RegistryLogin }; masks: Secrets }> {
  if (!path) return { login: {}, masks: new Map() }
  const refs = [
    { name: USERNAME, path, key: 'username' },
    { name: PASSWORD, path, key: 'password' },
  ]
  const read = await resolveSecrets(engine, { hold, token, refs, continueOnWarnings }, signal)
  const [username, password] = [read.get(USERNAME), read.get(PASSWORD)]
  if (!username || !password) throw new WritError('secret_not_found', path)
  return { login: { login: { username: username.reveal(), password } }, masks: new Map([[PASSWORD, password]]) }
}

function masked(masks: Secrets, text: string): string {
  const masker = createMasker([...masks].map(([name, secret]) => ({ name, value: secret.reveal() })))
  return Buffer.concat([masker.push(Buffer.from(text)), masker.end()]).toString()
}
