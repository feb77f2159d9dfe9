import { Agent, request } from 'undici'
import type { Vault } from '../vault/client.ts'
import { Secret } from '../vault/secret.ts'
import { unwrap } from '../vault/wrapping.ts'
import { RequestError } from './error.ts'

export interface GateOptions {
  /** `https://gate.example:9201`. */
  readonly gate: string
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  /** Path of the gate's Unix socket, instead of connecting to its address. */
  readonly socket?: string | undefined
}

/** A client of the gate, and of vault-gatekeeper, whose answers it understands too. Redirects are not followed. */
export class GateClient {
  readonly #base: string
  readonly #agent: Agent

  constructor({ gate, ca, socket }: GateOptions) {
    this.#base = gate.replace(/\/+$/, '')
    const connect = { timeout: 10_000, ...(ca ? { ca } : {}), ...(socket ? { socketPath: socket } : {}) }
    this.#agent = new Agent({ headersTimeout: 60_000, bodyTimeout: 60_000, maxResponseSize: MAX_ANSWER_BYTES, connect })
  }

  /**
   * Asks for the token of a task and opens it: with `vault`, directly, past the gate. `proof` is the token of a service account, where
   * the scheduler wants one. Throws `RequestError` when the gate refuses, `VaultError` when what it gave cannot be opened: then somebody
   * else has opened it.
   */
  async token(
    vault: Vault,
    task: { id: string; scheduler?: string | undefined; role?: string | undefined; proof?: Secret | undefined },
    signal?: AbortSignal,
  ): Promise<Secret> {
    const { id: task_id, scheduler, role, proof } = task
    const wanted = { task_id, ...(scheduler ? { scheduler } : {}), ...(role ? { role } : {}) }
    const headers: Record<string, string> = proof ? { authorization: `Bearer ${proof.reveal()}` } : {}
    const { token } = await this.#send('POST', '/token', wanted, headers, signal)
    if (typeof token !== 'string' || token === '') throw RequestError.from(200, {})
    const { auth } = await unwrap(vault, new Secret(token), signal)
    if (!auth) throw RequestError.from(200, { error: 'what the gate gave holds no token' })
    return auth.token
  }

  async status(signal?: AbortSignal): Promise<Record<string, unknown>> {
    return await this.#send('GET', '/status.json', undefined, {}, signal)
  }

  /** `fields` are those of `POST /unseal` (docs/gate.md). `aws` and `cert` need a token as `seal` does. Answers what the gate says. */
  async unseal(fields: Readonly<Record<string, string>>, token: Secret | null = null): Promise<string> {
    return said(await this.#send('POST', '/unseal', fields, tokenHeader(token)))
  }

  /** Needs a Vault token with `update` on `writ/gate`. */
  async seal(token: Secret | null): Promise<string> {
    return said(await this.#send('POST', '/seal', {}, tokenHeader(token)))
  }

  /** As `seal`. */
  async reload(token: Secret | null): Promise<string> {
    return said(await this.#send('POST', '/policies/reload', {}, tokenHeader(token)))
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const answer = await request(this.#base + path, {
      method,
      dispatcher: this.#agent,
      signal: signal ?? null,
      headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(error => {
      throw unanswered(error)
    })
    const text = await answer.body.text().catch(error => {
      throw unanswered(error)
    })
    const found = fields(text)
    if (found === null && answer.statusCode < 300)
      throw new RequestError({
        status: answer.statusCode,
        code: 'not_json',
        message: 'the answer is not of a gate',
        remedy: 'Check its address (GATEKEEPER_ADDR).',
      })
    // the status of a sealed gate is an answer too
    if (found === null || (answer.statusCode >= 300 && found.stats === undefined))
      throw RequestError.from(answer.statusCode, found ?? {})
    return found
  }
}

/** Of any answer of a gate; the longest is its status. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

function unanswered(error: unknown): RequestError {
  const { code = 'no reason given' } = error as { code?: string }
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
    return new RequestError({ status: 200, code: 'answer_too_long', message: 'the answer does not end' })
  const message = `the gate does not answer (${code})`
  return new RequestError({ status: 0, code: 'unreachable', message, remedy: 'Check its address (GATEKEEPER_ADDR).' })
}

function fields(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function tokenHeader(token: Secret | null): Record<string, string> {
  return token ? { 'x-vault-token': token.reveal() } : {}
}

function said({ message, error, status }: Record<string, unknown>): string {
  return String(message ?? error ?? status ?? '')
}
