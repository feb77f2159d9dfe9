import type { Agent as UndiciAgent } from 'undici'
import Agent from 'undici/lib/dispatcher/agent.js'
import { WritError } from '../../../protocol/errors.ts'
import { exchange, TooLarge } from '../../../vault/exchange.ts'

export interface HttpPeerOptions {
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  /** For one request from its start to the last byte of the answer; default 5 s. */
  readonly timeoutMs?: number | undefined
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Default 1 MiB. */
  readonly maxBytes?: number
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The peer's clock, to the second, if it says. */
  readonly now: Date | undefined
  /** Parses the body. Throws `scheduler_lied` if it is not JSON. */
  json(): unknown
  text(): string
}

const TIMEOUT_MS = 5_000
const MAX_BYTES = 1024 * 1024

/**
 * Asks a scheduler that may be slow, broken or somebody else: the answer arrives whole within its time and its size, or not at all.
 * Follows no redirect. Errors: `scheduler_unavailable` (no answer), `scheduler_lied` (too large, or not what it says to be).
 */
export class HttpPeer {
  readonly #agent: UndiciAgent
  readonly #timeoutMs: number

  constructor(options: HttpPeerOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#agent = new Agent({
      connections: 16,
      allowH2: false,
      headersTimeout: this.#timeoutMs,
      bodyTimeout: this.#timeoutMs,
      connect: { timeout: this.#timeoutMs, ...(options.ca ? { ca: options.ca } : {}) },
    })
  }

  async ask(origin: string, path: string, ask: Ask): Promise<HttpAnswer> {
    const signal = AbortSignal.any([ask.signal, AbortSignal.timeout(this.#timeoutMs)])
    try {
      const { status, headers, text } = await exchange(this.#agent, {
        origin,
        path,
        method: ask.method ?? 'GET',
        signal,
        maxBytes: ask.maxBytes ?? MAX_BYTES,
        headers: {
          accept: 'application/json',
          ...(ask.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...ask.headers,
        },
        ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
      })
      return { status, headers, now: clockOf(headers.date), json: () => parse(text), text: () => text }
    } catch (error) {
      if (error instanceof TooLarge) throw new WritError('scheduler_lied', error.message)
      throw unavailable(error, signal)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** What a status other than 200 means: a peer that cannot or will not say, or one that is not what it should be. */
export function wrongStatus(status: number): WritError {
  const silent = status >= 500 || [401, 403, 408, 429].includes(status)
  return new WritError(silent ? 'scheduler_unavailable' : 'scheduler_lied', `HTTP status ${status}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // the parser's own words repeat a piece of the answer
    throw new WritError('scheduler_lied', 'not JSON')
  }
}

function clockOf(date: string | string[] | undefined): Date | undefined {
  const time = typeof date === 'string' ? Date.parse(date) : Number.NaN
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** Any failure to be answered, as an error of the registry: with the name of what failed, never with its text. */
function unavailable(error: unknown, signal: AbortSignal): WritError {
  const { code } = error as { code?: unknown }
  const late = signal.aborted || (typeof code === 'string' && /TIMEOUT/.test(code))
  const detail = late ? 'no answer in time' : typeof code === 'string' ? code.slice(0, 60) : undefined
  return new WritError('scheduler_unavailable', detail, { cause: error })
}
