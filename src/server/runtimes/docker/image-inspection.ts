import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'

/** What is used of the engine's description of an image. */
export interface InspectedImage {
  readonly Id: string
  readonly Architecture: string
  readonly Metadata?: { readonly LastTagTime?: string }
  readonly RepoDigests: readonly string[] | null
  readonly Config: {
    readonly Entrypoint?: readonly string[] | null
    readonly Cmd?: readonly string[] | null
    readonly Env?: readonly string[] | null
    readonly Labels?: Readonly<Record<string, string>> | null
  } | null
}

export async function inspectImage(engine: Engine, ref: string, signal?: AbortSignal): Promise<InspectedImage | null> {
  try {
    return await engine.json<InspectedImage>('GET', `/images/${ref}/json`, { signal })
  } catch (error) {
    if (isGone(error)) return null
    throw refusal(error, 'image_not_found')
  }
}

/** When it got its name, in milliseconds; undefined where the engine does not say it (Podman: always the year 1). */
export function namedAt(image: InspectedImage | null): number | undefined {
  const named = image?.Metadata?.LastTagTime
  return named && !named.startsWith('0001-') ? Date.parse(named) : undefined
}
