import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Agent as UndiciAgent } from 'undici'
import sendRequest from 'undici/lib/api/api-request.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import { WritError } from '../../../protocol/errors.ts'
import { exchange } from '../../../vault/exchange.ts'
import { type Deadline, deadline } from './deadline.ts'
import { type EngineAddress, engineAddress } from './engine-address.ts'
import { EngineError } from './engine-error.ts'

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number>>
  /** An object goes as JSON, everything else as a tar. */
  readonly body?: object | Buffer | AsyncIterable<Uint8Array> | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** For the whole call; of a stream, until its head has arrived. 0: none, then `signal` must end it. */
  readonly deadlineMs?: number
}

export interface EngineAnswer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Readable
}

export interface EngineVersion {
  readonly Version: string
  readonly ApiVersion: string
  readonly Platform?: { readonly Name: string }
  readonly Components?: readonly { readonly Name: string }[]
}

const QUICK_MS = 30_000
/** How long an engine may be away (a restart takes 0.6 to 5 s) before its running containers count as out of reach. */
const PATIENCE_MS = 20_000

/**
 * The few parts of the Docker Engine API's transport that are needed. Written here because the usual client never
 * settles a call that the engine cut in the middle, takes a failed pull for a good one and splits output at 5 MB/s.
 * Errors: `EngineError` when the engine refuses, `runtime_unavailable` when it is not there or too slow, and the reason
 * of `signal` when the caller gave up.
 */
export class Engine {
  readonly #address: EngineAddress
  readonly #agent: UndiciAgent
  readonly #hijacked = new Set<Duplex>()
  #about: Promise<EngineVersion> | undefined
  readonly patienceMs: number

  constructor(host?: string, patienceMs = PATIENCE_MS) {
    this.patienceMs = patienceMs
    this.#address = engineAddress(host)
    const { socketPath, tls } = this.#address
    // HTTP/2 is off: a hijacked connection does not exist there. Time-outs are ours, since `wait` and `logs` are long
    // polls.
    const connect = { ...tls, ...(socketPath ? { socketPath } : {}), allowH2: false }
    this.#agent = new Agent({ connect, headersTimeout: 0, bodyTimeout: 0 })
  }

  async json<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
    return this.#within(options, async limit => {
      const read = await this.#whole(method, await this.#versioned(path, limit.signal), options, limit.signal)
      limit.clear()
      return (read ? JSON.parse(read) : undefined) as T
    })
  }

  async stream(method: Method, path: string, options: CallOptions = {}): Promise<EngineAnswer> {
    return this.#within(options, async limit => {
      const answer = await this.#answer(method, await this.#versioned(path, limit.signal), options, limit.signal)
      limit.met()
      answer.body.once('close', limit.clear)
      return answer
    })
  }

  /** A connection to the inside of a container: bytes both ways, and ending our side reaches its standard input. */
  async hijack(path: string, options: CallOptions = {}): Promise<Duplex> {
    return this.#within(options, async limit => {
      const socket = await this.#hijack(await this.#versioned(path, limit.signal), options, limit.signal)
      limit.clear()
      return socket
    })
  }

  async version(signal?: AbortSignal): Promise<EngineVersion> {
    return this.#within({ signal }, async limit => {
      const read = await this.#whole('GET', '/version', {}, limit.signal)
      limit.clear()
      return JSON.parse(read)
    })
  }

  /** Podman speaks the same API; what it does otherwise is told in docs/compatibility.md. */
  async isPodman(signal?: AbortSignal): Promise<boolean> {
    const { Components } = await this.#within({ signal }, async limit => {
      const about = await this.#known(limit.signal)
      limit.clear()
      return about
    })
    return Components?.some(({ Name }) => Name === 'Podman Engine') ?? false
  }

  async close(): Promise<void> {
    for (const socket of this.#hijacked) socket.destroy()
    await this.#agent.destroy()
  }

  async #within<T>(options: CallOptions, call: (limit: Deadline) => Promise<T>): Promise<T> {
    const limit = deadline(options.deadlineMs ?? QUICK_MS, options.signal)
    try {
      return await call(limit)
    } catch (error) {
      limit.clear()
      if (options.signal?.aborted) throw options.signal.reason
      if (error instanceof EngineError || error instanceof WritError) throw error
      const detail = limit.signal.aborted ? 'no answer in time' : (error as { code?: string }).code
      throw new WritError('runtime_unavailable', detail, { cause: error })
    }
  }

  async #versioned(path: string, signal: AbortSignal): Promise<string> {
    return `/v${(await this.#known(signal)).ApiVersion}${path}`
  }

  /** Asked once; whoever waits for it has his own deadline. */
  async #known(signal: AbortSignal): Promise<EngineVersion> {
    signal.throwIfAborted()
    this.#about ??= this.version()
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    try {
      return await Promise.race([this.#about, aborted])
    } catch (error) {
      this.#about = undefined
      throw error
    }
  }

  /** A short answer as a text. */
  async #whole(method: Method, path: string, options: CallOptions, signal: AbortSignal): Promise<string> {
    const { status, text: read } = await exchange(this.#agent, this.#request(method, path, options, signal))
    if (status < 300) return read
    throw new EngineError(status, message(read))
  }

  #request(method: Method, path: string, options: CallOptions, signal: AbortSignal) {
    const { body, type } = encoded(options.body)
    return {
      origin: this.#address.origin,
      path: withQuery(path, options.query),
      method,
      signal,
      ...(body === undefined ? {} : { body }),
      headers: { ...options.headers, ...(type ? { 'content-type': type } : {}) },
    }
  }

  async #answer(method: Method, path: string, options: CallOptions, signal: AbortSignal): Promise<EngineAnswer> {
    const answer = await sendRequest.call(this.#agent, this.#request(method, path, options, signal))
    if (answer.statusCode < 300) return { headers: answer.headers, body: answer.body }
    throw new EngineError(answer.statusCode, message(await text(answer.body)))
  }

  async #hijack(path: string, options: CallOptions, signal: AbortSignal): Promise<Duplex> {
    const { origin, socketPath, tls } = this.#address
    const body = options.body ? JSON.stringify(options.body) : ''
    const request = origin.startsWith('https') ? httpsRequest : httpRequest
    const hijacking = request(`${origin}${withQuery(path, options.query)}`, {
      ...tls,
      ...(socketPath ? { socketPath } : {}),
      method: 'POST',
      signal,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'tcp',
        'content-type': 'application/json',
        // Podman takes everything after the head for the job's input, so a body only where the call needs one.
        'content-length': Buffer.byteLength(body),
      },
    })
    hijacking.end(body)
    const upgraded = once(hijacking, 'upgrade') as Promise<[IncomingMessage, Duplex, Buffer]>
    const refused = (once(hijacking, 'response') as Promise<[IncomingMessage]>).then(async ([answer]) => {
      throw new EngineError(answer.statusCode ?? 500, message(await text(answer)))
    })
    upgraded.catch(() => {})
    refused.catch(() => {})
    const [, socket, head] = await Promise.race([upgraded, refused])
    // A reset while nobody reads must not end the process; whoever reads sees it again.
    socket.on('error', () => {})
    if (head.length > 0) socket.unshift(head)
    this.#hijacked.add(socket)
    socket.once('close', () => this.#hijacked.delete(socket))
    return socket
  }
}

function withQuery(path: string, query: CallOptions['query']): string {
  if (!query) return path
  return `${path}?${new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))}`
}

function encoded(body: CallOptions['body']): { body?: Buffer | string; type?: string } {
  if (body === undefined) return {}
  if (Buffer.isBuffer(body) || Symbol.asyncIterator in body) return { body: body as Buffer, type: 'application/x-tar' }
  return { body: JSON.stringify(body), type: 'application/json' }
}

function message(body: string): string {
  try {
    return String(JSON.parse(body).message)
  } catch {
    return body
  }
}
