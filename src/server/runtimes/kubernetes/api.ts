import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { WritError } from '../../../protocol/errors.ts'
import type { Cluster } from './cluster.ts'

export interface Ask {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

const TIMEOUT_MS = 10_000
const MAX_BYTES = 8 * 1024 * 1024
const MESSAGE_LENGTH = 300

/**
 * The Kubernetes API, as whoever the token belongs to. An answer arrives whole within its time and its size, or not at all. What is no
 * answer to the question (nobody there, overloaded, not JSON) throws `runtime_unavailable`; what Kubernetes says to it is for the caller.
 */
export class KubernetesApi {
  readonly #cluster: Cluster
  readonly #timeoutMs: number
  readonly #agent: Agent

  constructor(cluster: Cluster, timeoutMs = TIMEOUT_MS) {
    this.#cluster = cluster
    this.#timeoutMs = timeoutMs
    this.#agent = new Agent({ keepAlive: true, keepAliveMsecs: 15_000, ...(cluster.ca ? { ca: cluster.ca } : {}) })
  }

  async ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, ask: Ask = {}): Promise<Answer> {
    const late = AbortSignal.timeout(this.#timeoutMs)
    const signal = ask.signal ? AbortSignal.any([ask.signal, late]) : late
    try {
      const answer = await this.#open(method, path, ask, signal)
      const text = await whole(answer)
      return { status: accepted(answer), body: text === '' ? null : JSON.parse(text) }
    } catch (error) {
      throw unavailable(error, ask.signal, late)
    }
  }

  /** A text that may come over hours; null: Kubernetes has nothing to read there (any more, or yet). A break throws what broke it. */
  async text(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer> | null> {
    const opening = new AbortController()
    const timer = setTimeout(() => opening.abort(), this.#timeoutMs)
    try {
      const answer = await this.#open('GET', path, { query }, AbortSignal.any([signal, opening.signal]))
      if (accepted(answer) === 200) return answer
      answer.destroy()
      if (answer.statusCode === 404 || answer.statusCode === 400) return null
      throw new WritError('runtime_unavailable', `Kubernetes: HTTP status ${answer.statusCode}`)
    } catch (error) {
      throw unavailable(error, signal, opening.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #open(method: string, path: string, { query, body }: Ask, signal: AbortSignal): Promise<IncomingMessage> {
    const token = await this.#cluster.token()
    signal.throwIfAborted()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const url = new URL(`${path}?${new URLSearchParams(query)}`, this.#cluster.origin)
    return await new Promise((resolve, reject) => {
      const asked = request(url, {
        method,
        agent: this.#agent,
        signal,
        headers: {
          authorization: `Bearer ${token.reveal()}`,
          ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
        },
      })
      asked.once('response', resolve)
      asked.once('error', reject)
      asked.end(text)
    })
  }
}

async function whole(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer) {
    size += chunk.length
    if (size > MAX_BYTES) throw new WritError('runtime_unavailable', `Kubernetes: more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What says nothing about the question: it may be asked again. Redirects are not followed: the token is for this address. */
function accepted({ statusCode = 0 }: IncomingMessage): number {
  if (statusCode >= 500 || statusCode === 408 || statusCode === 429 || (statusCode >= 300 && statusCode < 400))
    throw new WritError('runtime_unavailable', `Kubernetes: HTTP status ${statusCode}`)
  return statusCode
}

/** With the name of what failed, never with its text, which may repeat a piece of the request. */
function unavailable(error: unknown, caller: AbortSignal | undefined, late: AbortSignal): unknown {
  if (error instanceof WritError) return error
  if (caller?.aborted) return caller.reason
  const { code } = error as { code?: unknown }
  const text = typeof code === 'string' ? code.slice(0, 60) : 'no usable answer'
  return new WritError('runtime_unavailable', `Kubernetes: ${late.aborted ? 'no answer in time' : text}`, {
    cause: error,
  })
}

/** What Kubernetes says why, as one printable line. */
export function messageOf({ status, body }: Answer): string {
  const message = (body as { message?: unknown } | null)?.message
  return typeof message === 'string' ? printable(message) : `HTTP status ${status}`
}

export function printable(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, MESSAGE_LENGTH)
}
