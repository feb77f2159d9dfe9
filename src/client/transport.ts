import { Agent, type Dispatcher, request } from 'undici'
import type { Secret } from '../vault/secret.ts'
import { RequestError } from './error.ts'

export interface TransportOptions {
  /** The server's address or a courier's; may hold a path prefix. */
  readonly server: string
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  /** False takes anybody's certificate: whoever answers gets the token. */
  readonly verify?: boolean | undefined
  /** How long an answer may make no progress; 60 s by default. */
  readonly silenceMs?: number | undefined
}

/** Four beats of a server that has nothing to say of a job. */
const SILENCE_MS = 60_000
/** Of an answer that is read whole. The largest holds as much output as a server was told to answer with. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** `/v1/api/job` … */
  readonly path: string
  readonly token: Secret
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal | undefined
}

/** HTTP to the server. Redirects are not followed: the token goes to the address that was given and nowhere else. */
export class Transport {
  readonly #base: string
  readonly #agent: Agent

  constructor({ server, ca, verify = true, silenceMs = SILENCE_MS }: TransportOptions) {
    this.#base = server.replace(/\/+$/, '')
    // of the body too: a job may be silent for hours, but its server is not, and one that stands still would be waited for without end
    this.#agent = new Agent({
      bodyTimeout: silenceMs,
      headersTimeout: SILENCE_MS,
      connect: { timeout: 10_000, rejectUnauthorized: verify, ...(ca ? { ca } : {}) },
    })
  }

  /** Sends it and reads a JSON answer. Throws `RequestError`. */
  async json<T>(call: Call): Promise<T> {
    const response = await this.#send(call)
    const text = await this.#text(call, response.body)
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      throw new RequestError({
        status: response.statusCode,
        code: 'not_json',
        message: 'the answer is not JSON: is this address a writ server?',
      })
    }
    if (response.statusCode !== 200) throw RequestError.from(response.statusCode, body)
    return body as T
  }

  /** Sends it and hands over the body as it comes. Throws `RequestError`. */
  async stream(call: Call): Promise<{ type: string; pieces: AsyncIterable<Uint8Array> }> {
    const response = await this.#send(call)
    const type = String(response.headers['content-type'] ?? '')
    if (response.statusCode === 200) return { type, pieces: this.#pieces(call, response.body) }
    const body = await this.#text(call, response.body)
      .then(JSON.parse)
      .catch(() => null)
    throw RequestError.from(response.statusCode, body)
  }

  async #text(call: Call, body: AsyncIterable<Uint8Array>): Promise<string> {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of this.#pieces(call, body)) {
      bytes += piece.byteLength
      if (bytes > MAX_ANSWER_BYTES)
        throw new RequestError({ status: 200, code: 'answer_too_long', message: 'the answer does not end' })
      pieces.push(piece)
    }
    return new TextDecoder().decode(Buffer.concat(pieces))
  }

  async *#pieces(call: Call, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* body
    } catch (cause) {
      throw this.#broken(call, cause)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #send(call: Call): Promise<Dispatcher.ResponseData> {
    try {
      return await request(`${this.#base}${call.path}`, {
        method: call.method,
        headers: {
          ...call.headers,
          'x-auth-token': call.token.reveal(),
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        dispatcher: this.#agent,
        signal: call.signal ?? null,
      })
    } catch (cause) {
      throw this.#broken(call, cause)
    }
  }

  /** No answer, or not all of it. The cause itself holds the headers, and so the token: only its code goes on. */
  #broken({ signal }: Call, cause: unknown): unknown {
    if (signal?.aborted) return signal.reason
    const code = (cause as { code?: string }).code ?? 'failed'
    return new RequestError({
      status: 0,
      code: 'unreachable',
      // an address may hold a password, which has no place in a message
      message: `no answer from ${this.#base.replace(/\/\/[^/@]*@/, '//')} (${code})`,
      remedy: /CERT|SIGN/.test(code)
        ? 'Name the PEM file of the authority that signed its certificate in WRIT_CACERT.'
        : 'Check the address of the server and that it runs.',
    })
  }
}
