import type { Readable } from 'node:stream'
import type { Dispatcher, Agent as UndiciAgent, ProxyAgent as UndiciProxyAgent } from 'undici'
import openTunnel from 'undici/lib/api/api-connect.js'
import sendRequest from 'undici/lib/api/api-request.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js'
import { WritError } from '../../../../protocol/errors.ts'
import { exchange, TooLarge } from '../../../../vault/exchange.ts'
import type { RepositoryOptions } from '../options.ts'

const CONNECT_MS = 15_000
/** Without a byte for so long, as git's own `http.lowSpeedTime`. */
const SILENCE_MS = 30_000

/** Asks servers of LFS by the authorities and the proxy of the watch. Follows no redirection; no message holds a URL, which may be secret. */
export class LfsHttp {
  readonly #agent: UndiciAgent | UndiciProxyAgent

  /** Throws `lfs_unsupported`. */
  constructor({ ca, proxy }: Pick<RepositoryOptions, 'ca' | 'proxy'>) {
    const times = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS, allowH2: false }
    const tls = { timeout: CONNECT_MS, ...(ca === undefined ? {} : { ca }) }
    const through = proxy?.reveal()
    if (through === undefined) this.#agent = new Agent({ ...times, connect: tls })
    else if (/^https?:/i.test(through))
      this.#agent = new ProxyAgent({ ...times, uri: through, requestTls: tls, proxyTls: tls, clientFactory: poolOf })
    else throw new WritError('lfs_unsupported', 'the proxy is none for http')
  }

  /** Posts JSON, and answers what comes back as text, of at most `maxBytes`. */
  async post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
  ): Promise<{ status: number; text: string }> {
    const { origin, pathname, search } = new URL(url)
    const asked = { origin, path: `${pathname}${search}`, method: 'POST', headers, body, signal, maxBytes }
    try {
      return await exchange(this.#agent, asked)
    } catch (error) {
      if (error instanceof TooLarge) throw new WritError('lfs_refused', error.message)
      throw failed(error, signal)
    }
  }

  /** Gets a content: its status, and its bytes as they come. Read or destroy them. */
  async get(
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ status: number; body: Readable }> {
    const { origin, pathname, search } = new URL(url)
    const asked: Dispatcher.RequestOptions = { origin, path: `${pathname}${search}`, method: 'GET', headers, signal }
    try {
      const { statusCode, body } = await sendRequest.call(this.#agent, asked)
      return { status: statusCode, body }
    } catch (error) {
      throw failed(error, signal)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** A pool that can ask a proxy for a tunnel: undici gives it this method only where all of undici is loaded. */
function poolOf(origin: URL, options: object): Dispatcher {
  return Object.assign(new Pool(origin, options), { connect: openTunnel })
}

/** A failure to be answered: with the name of what failed, never with its text. */
export function failed(error: unknown, signal: AbortSignal): Error {
  if (error instanceof WritError || error instanceof TypeError) return error
  const code = [error, (error as { cause?: unknown })?.cause].map(one => (one as { code?: unknown })?.code).find(isText)
  if (signal.aborted || (code && /TIMEOUT/.test(code)))
    return new WritError('repository_unreachable', 'LFS: it takes too long', { cause: error })
  if (code && /CERT|UNABLE_TO|SELF_SIGNED|ALTNAME/.test(code))
    return new WritError('repository_host_unknown', `LFS: ${code.slice(0, 60)}`, { cause: error })
  return new WritError('repository_unreachable', code ? `LFS: ${code.slice(0, 60)}` : 'LFS', { cause: error })
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** What a status other than 200 means, of the API or of the place of a content. */
export function wrongStatus(status: number, whose: string): WritError {
  if (status >= 500 || status === 408 || status === 429)
    return new WritError('repository_unreachable', `LFS: ${whose}: HTTP status ${status}`)
  if (status === 404 || status === 410) return new WritError('lfs_missing', `${whose}: HTTP status ${status}`)
  return new WritError('lfs_refused', `${whose}: HTTP status ${status}${status < 400 ? ', which is not followed' : ''}`)
}
