/// <reference path="./undici.d.ts" />
import type { Pool as UndiciPool } from 'undici'
import Pool from 'undici/lib/dispatcher/pool.js'
import { VaultError, type VaultErrorKind } from './error.ts'
import { exchange } from './exchange.ts'
import { urlPath } from './path.ts'
import { parseResponse, texts, type VaultResponse } from './response.ts'
import { type RetryPolicy, withRetry } from './retry.ts'
import type { Secret } from './secret.ts'
import type { Signal } from './signal.ts'

export interface VaultOptions {
  /** `https://vault.example:8200`. */
  readonly address: string
  readonly namespace?: string | undefined
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly serverName?: string | undefined
  /** PEM of the certificate and key that this side shows, both or neither. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Believes any certificate: whoever stands between reads every token. */
  readonly skipVerify?: boolean | undefined
  /** For the answer's headers and for each pause in its body; default 10 s. */
  readonly timeoutMs?: number | undefined
  readonly retry?: RetryPolicy | undefined
  /** Hears of every call when it is over. */
  readonly onCall?: ((call: VaultCall) => void) | undefined
}

/** A call that is over, with its repetitions. */
export interface VaultCall {
  readonly method: string
  /** May name a secret. */
  readonly path: string
  /** `aborted`: nobody waits for it any more. */
  readonly outcome: 'ok' | VaultErrorKind | 'aborted'
  readonly ms: number
}

export interface VaultRequest {
  readonly method: 'GET' | 'LIST' | 'POST' | 'PUT' | 'DELETE'
  /** Without `/v1/`: `auth/token/lookup-self`. */
  readonly path: string
  /** What comes after `?`, as it is to be sent. */
  readonly query?: string | undefined
  /** Whose authority this call uses. Per call and without a default: no call borrows another one's power by accident. */
  readonly token: Secret | null
  readonly body?: unknown
  /** Asks for a response-wrapped answer: seconds, or a duration such as `1h`. */
  readonly wrapTtl?: string | undefined
  readonly signal?: Signal | undefined
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/**
 * A client for Vault and OpenBao: one connection pool, no state. Redirects are not followed (a token goes to the configured
 * address and nowhere else). Measured against the alternatives in ADR 3.
 */
export class Vault {
  readonly address: string
  readonly #pool: UndiciPool
  /** Of the address, if it has a path. */
  readonly #base: string
  readonly #headers: Record<string, string>
  readonly #retry: RetryPolicy
  readonly #onCall: VaultOptions['onCall']

  constructor(options: VaultOptions) {
    this.address = options.address.replace(/\/+$/, '')
    this.#onCall = options.onCall
    const timeout = options.timeoutMs ?? 10_000
    this.#retry = options.retry ?? { retries: 3, firstDelayMs: 100 }
    // X-Vault-Request: a Vault agent in front refuses requests without it
    this.#headers = { 'x-vault-request': 'true' }
    if (options.namespace) this.#headers['x-vault-namespace'] = options.namespace
    const { origin, pathname } = new URL(this.address)
    this.#base = pathname.replace(/\/+$/, '')
    this.#pool = new Pool(origin, {
      connections: 32,
      keepAliveTimeout: 30_000,
      headersTimeout: timeout,
      bodyTimeout: timeout,
      maxResponseSize: MAX_ANSWER_BYTES,
      connect: {
        timeout: 5_000,
        ...(options.ca ? { ca: options.ca } : {}),
        ...(options.serverName ? { servername: options.serverName } : {}),
        ...(options.cert && options.key ? { cert: options.cert, key: options.key } : {}),
        ...(options.skipVerify ? { rejectUnauthorized: false } : {}),
      },
    })
  }

  /** Sends it and reads the answer; null for an empty one (204). Throws `VaultError`; an abort throws the signal's reason. */
  async send(call: VaultRequest): Promise<VaultResponse | null> {
    const { status, body } = await this.raw(call)
    if (body === null) return null
    try {
      return parseResponse(body)
    } catch (cause) {
      throw new VaultError({ status: 0, path: call.path, errors: [`${(cause as Error).message} (HTTP ${status})`] })
    }
  }

  /** As `send`, for answers that are not in Vault's envelope (`sys/health` …). */
  raw(call: VaultRequest): Promise<{ status: number; body: unknown }> {
    return this.#onCall ? this.#told(call, this.#onCall) : this.#exchange(call)
  }

  async #told(call: VaultRequest, tell: NonNullable<VaultOptions['onCall']>) {
    const start = performance.now()
    let outcome: VaultCall['outcome'] = 'ok'
    try {
      return await this.#exchange(call)
    } catch (error) {
      outcome = error instanceof VaultError ? error.kind : 'aborted'
      throw error
    } finally {
      tell({ method: call.method, path: call.path, outcome, ms: performance.now() - start })
    }
  }

  async #exchange(call: VaultRequest): Promise<{ status: number; body: unknown }> {
    const path = `${this.#base}/v1/${urlPath(call.path)}${call.query ? `?${call.query}` : ''}`
    const headers: Record<string, string> = { ...this.#headers }
    if (call.token) headers['x-vault-token'] = headerText(call)
    if (call.wrapTtl) headers['x-vault-wrap-ttl'] = call.wrapTtl
    if (call.body !== undefined) headers['content-type'] = 'application/json'
    const payload = call.body === undefined ? null : JSON.stringify(call.body)

    const { method, signal } = call
    let answer: { status: number; text: string }
    try {
      answer = await withRetry(this.#retry, method === 'GET' || method === 'LIST', signal, () =>
        exchange(this.#pool, { path, method, headers, body: payload, signal }),
      )
    } catch (cause) {
      if (call.signal?.aborted) throw call.signal.reason
      // the cause of a failed request may hold its headers, and so the token: only its code goes on
      const code = (cause as { code?: string }).code ?? 'failed'
      throw new VaultError({ status: 0, path: call.path, errors: [code] })
    }
    return { status: answer.status, body: readBody(call.path, answer) }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

/** A text that no header can carry is no token of any Vault, so the answer is known without asking. */
function headerText({ path, token }: VaultRequest): string {
  const text = token?.reveal() ?? ''
  if (!/^[\x21-\x7e]+$/.test(text)) throw new VaultError({ status: 403, path, errors: ['not a token'] })
  return text
}

function readBody(path: string, { status, text }: { status: number; text: string }): unknown {
  let body: unknown = null
  if (text !== '') {
    try {
      body = JSON.parse(text)
    } catch {
      throw new VaultError({ status: 0, path, errors: [`HTTP ${status} without JSON: is this address a Vault?`] })
    }
  }
  if (status >= 200 && status < 300) return body
  throw new VaultError({ status, path, errors: texts((body as { errors?: unknown } | null)?.errors) })
}
