import { WritError } from '../../../protocol/errors.ts'
import type { RegistryLogin } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { EngineError, engineText } from './engine-error.ts'

/** Between two lines about the same download. */
const DOWNLOADING_MS = 3_000

export interface PullOptions {
  readonly login: RegistryLogin | undefined
  /** How long nothing may happen. Large layers are silent while they unpack. */
  readonly stallMs: number
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

interface PullEvent {
  readonly status?: string
  readonly id?: string
  readonly error?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
}

/** The engine answers 200 before it knows how a pull ends: a failure is an event in the stream, and only there. */
export async function pull(engine: Engine, ref: string, options: PullOptions): Promise<void> {
  const { login, stallMs, signal, onProgress } = options
  const stalled = new AbortController()
  const stall = () => {
    stalled.abort(new WritError('image_not_found', `the pull stalled: nothing came for ${stallMs / 1000} s`))
  }
  const timer = setTimeout(stall, stallMs)
  const either = AbortSignal.any([signal, stalled.signal])
  const headers = login ? { 'x-registry-auth': registryAuth(ref, login) } : {}
  const downloads = new Downloads()
  try {
    const query = { fromImage: ref }
    const { body } = await engine.stream('POST', '/images/create', { query, headers, signal: either, deadlineMs: 0 })
    for await (const event of events(body)) {
      timer.refresh()
      if (event.error) throw new EngineError(500, event.error)
      const line = downloads.lineOf(event)
      if (line) onProgress(engineText(line))
    }
  } catch (error) {
    either.throwIfAborted()
    if (error instanceof EngineError || error instanceof WritError) throw error
    throw new WritError('runtime_unavailable', 'the pull was cut off', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/**
 * JSON in the URL's form of base64, with padding: without, the engine takes it for nothing and says nothing. Only the engine and
 * the registry of the image see it.
 */
function registryAuth(ref: string, { username, password }: RegistryLogin): string {
  const login = { username, password: password.reveal(), serveraddress: ref.slice(0, ref.indexOf('/')) }
  return Buffer.from(JSON.stringify(login)).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

/** Not by node:readline: it knows nothing of an error of its input, and then never ends. */
async function* events(body: AsyncIterable<Uint8Array>): AsyncGenerator<PullEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim()) yield JSON.parse(line) as PullEvent
  }
  if (rest.trim()) yield JSON.parse(rest) as PullEvent
}

/** Each change of a layer's state is a line; how far its download is, only now and then. */
class Downloads {
  #spokenAt = performance.now()

  lineOf({ status, id, progressDetail }: PullEvent): string | null {
    if (!status) return null
    const line = id ? `${id}: ${status}` : status
    const { current, total } = progressDetail ?? {}
    if (!current) return line
    if (performance.now() - this.#spokenAt < DOWNLOADING_MS) return null
    this.#spokenAt = performance.now()
    return `${line} ${megabytes(current)}${total ? ` of ${megabytes(total)}` : ''} MB`
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
