import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { Image, ImageOptions, PullPolicy } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { EngineError, engineText, refusal } from './engine-error.ts'
import { type InspectedImage, inspectImage } from './image-inspection.ts'
import { withTag } from './image-ref.ts'
import type { PreparedImages } from './prepared-image.ts'

/** Between two events of a pull; large layers are silent while they unpack. */
const PULL_SILENCE_MS = 600_000
const RETRY_AFTER_MS = [500, 2_000]
const UNREACHABLE =
  /dial tcp|no such host|connection refused|connection reset|i\/o timeout|handshake timeout|network is unreachable|Client\.Timeout|deadline exceeded|\bEOF\b/

export async function resolveImage(
  engine: Engine,
  prepared: PreparedImages,
  ref: string,
  policy: PullPolicy,
  options: ImageOptions,
): Promise<Image> {
  const tagged = withTag(ref)
  const base = await present(engine, tagged, policy, options)
  const { id, metadata, shell } = await prepared.of(base, options.signal)
  const repository = tagged.replace(/[@:][^/]*$/, '')
  return {
    id,
    shell,
    digest: base.RepoDigests?.find(digest => digest.startsWith(`${repository}@`)) ?? base.RepoDigests?.[0] ?? base.Id,
    entrypoint: base.Config?.Entrypoint ?? [],
    command: base.Config?.Cmd ?? [],
    metadata,
  }
}

async function present(
  engine: Engine,
  ref: string,
  policy: PullPolicy,
  options: ImageOptions,
): Promise<InspectedImage> {
  const local = await inspectImage(engine, ref, options.signal)
  if (local && policy !== 'Always') return local
  if (policy === 'Never') throw new WritError('image_not_found', 'it is not here, and is not to be pulled')
  try {
    await pullWithRetries(engine, ref, local !== null, options)
  } catch (error) {
    // A registry that says no is obeyed. One that cannot be asked must not stop jobs whose image is here.
    if (!local || !isUnreachable(error)) throw refusal(error, 'image_not_found')
    options.onProgress?.(`The registry cannot be reached; ${ref} is used as it is on this engine`)
    return local
  }
  const pulled = await inspectImage(engine, ref, options.signal)
  if (!pulled) throw new WritError('image_not_found', engineText(ref))
  return pulled
}

async function pullWithRetries(engine: Engine, ref: string, isLocal: boolean, options: ImageOptions): Promise<void> {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return await pull(engine, ref, options)
    } catch (error) {
      if (!isUnreachable(error) || isLocal) throw error
      await sleep(wait, undefined, options.signal ? { signal: options.signal } : {})
    }
  }
  await pull(engine, ref, options)
}

function isUnreachable(error: unknown): boolean {
  return error instanceof EngineError && UNREACHABLE.test(error.message)
}

/** The engine answers 200 before it knows how a pull ends: a failure is an event in the stream, and only there. */
async function pull(engine: Engine, ref: string, { signal, onProgress }: ImageOptions): Promise<void> {
  const silence = new AbortController()
  const timer = setTimeout(
    () => silence.abort(new WritError('runtime_unavailable', 'the pull stalled')),
    PULL_SILENCE_MS,
  )
  const either = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal
  try {
    const query = { fromImage: ref }
    const { body } = await engine.stream('POST', '/images/create', { query, signal: either, deadlineMs: 0 })
    for await (const line of createInterface({ input: body })) {
      timer.refresh()
      if (!line.trim()) continue
      const event = JSON.parse(line) as {
        status?: string
        id?: string
        error?: string
        progressDetail?: { current?: number }
      }
      if (event.error) throw new EngineError(500, event.error)
      if (event.status && !event.progressDetail?.current) {
        onProgress?.(engineText(event.id ? `${event.id}: ${event.status}` : event.status))
      }
    }
  } finally {
    clearTimeout(timer)
  }
}
