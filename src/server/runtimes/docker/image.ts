import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { Image, ImageOptions, PullPolicy, RegistryLogin } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { EngineError, engineText, refusal } from './engine-error.ts'
import { type InspectedImage, inspectImage } from './image-inspection.ts'
import { withTag } from './image-ref.ts'
import type { PreparedImages } from './prepared-image.ts'
import { pull } from './pull.ts'
import type { Pulls } from './pulls.ts'

/** A registry that is started anew is there again within that; GoStint tried for 25 s (gostint.md §9.1). */
const RETRY_AFTER_MS = [500, 1_000, 2_000, 4_000, 8_000]
/** Nobody answers, or only to say that he cannot at the moment. */
const UNREACHABLE =
  /dial tcp|no such host|connection refused|connection reset|i\/o timeout|handshake timeout|network is unreachable|Client\.Timeout|deadline exceeded|\bEOF\b|HTTP status: 5\d\d|HTTP 429|toomanyrequests/

export interface Images {
  readonly engine: Engine
  readonly prepared: PreparedImages
  readonly pulls: Pulls
  /** How long nothing may happen in a pull before it is given up. */
  readonly stallMs: number
  /** Who we are, for the images that would not be here without us; left out: nobody. */
  readonly owner?: string | undefined
}

export async function resolveImage(
  images: Images,
  ref: string,
  policy: PullPolicy,
  options: ImageOptions,
): Promise<Image> {
  const tagged = withTag(ref)
  const { base, isNew } = await present(images, tagged, policy, options)
  const { id, metadata, shell } = await images.prepared.of(base, isNew ? images.owner : undefined, options.signal)
  const repository = tagged.replace(/[@:][^/]*$/, '')
  return {
    id,
    shell,
    digest: base.RepoDigests?.find(digest => digest.startsWith(`${repository}@`)) ?? base.RepoDigests?.[0] ?? base.Id,
    entrypoint: base.Config?.Entrypoint ?? [],
    command: base.Config?.Cmd ?? [],
    home: base.Config?.Env?.find(item => item.startsWith('HOME='))?.slice('HOME='.length),
    metadata,
  }
}

async function present(
  images: Images,
  ref: string,
  policy: PullPolicy,
  options: ImageOptions,
): Promise<{ base: InspectedImage; isNew: boolean }> {
  const { engine } = images
  const local = await inspectImage(engine, ref, options.signal)
  if (local && policy !== 'Always') return { base: local, isNew: false }
  if (policy === 'Never') throw new WritError('image_not_found', 'it is not here, and is not to be pulled')
  try {
    await images.pulls.join(
      `${ref} ${loginHash(options.login)}`,
      (signal, onProgress) => pullWithRetries(images, ref, local !== null, { ...options, signal, onProgress }),
      options,
    )
  } catch (error) {
    // A registry that says no is obeyed. One that cannot be asked must not stop jobs whose image is here.
    if (!local || !isUnreachable(error)) throw refusal(error, 'image_not_found')
    options.onProgress?.(`The registry cannot be reached; ${ref} is used as it is on this engine`)
    return { base: local, isNew: false }
  }
  const pulled = await inspectImage(engine, ref, options.signal)
  if (!pulled) throw new WritError('image_not_found', engineText(ref))
  return { base: pulled, isNew: pulled.Id !== local?.Id }
}

async function pullWithRetries(
  { engine, stallMs }: Images,
  ref: string,
  isLocal: boolean,
  { login, signal, onProgress }: ImageOptions & Required<Pick<ImageOptions, 'signal' | 'onProgress'>>,
): Promise<void> {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return await pull(engine, ref, { login, stallMs, signal, onProgress })
    } catch (error) {
      if (!isUnreachable(error) || isLocal) throw error
      onProgress(`The registry cannot serve now; trying again in ${wait / 1000} s`)
      await sleep(wait, undefined, { signal })
    }
  }
  await pull(engine, ref, { login, stallMs, signal, onProgress })
}

/** Not the password itself: it would lie in memory as the key of a map. */
function loginHash(login: RegistryLogin | undefined): string {
  if (!login) return ''
  return createHash('sha256').update(`${login.username}\0${login.password.reveal()}`).digest('hex')
}

function isUnreachable(error: unknown): boolean {
  return error instanceof EngineError && UNREACHABLE.test(error.message)
}
