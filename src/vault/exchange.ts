import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Signal } from './signal.ts'

export interface Exchange {
  /** `https://host:port`; not for a pool, which has one. */
  readonly origin?: string
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Buffer | null
  readonly signal?: Signal | undefined
  /** A longer answer is not waited for: `TooLarge`. */
  readonly maxBytes?: number
}

export interface Exchanged {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** The answer is longer than it may be. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/**
 * Sends a request and reads the answer whole. Follows no redirect. Throws undici's errors, with their codes, and the reason of the signal.
 * Cheaper than undici's `request`, which makes a stream of each answer.
 */
export function exchange(
  dispatcher: Dispatcher,
  { signal, maxBytes = Number.POSITIVE_INFINITY, ...asked }: Exchange,
): Promise<Exchanged> {
  return new Promise((done, failed) => {
    if (signal?.aborted) return failed(signal.reason)
    let controller: Dispatcher.DispatchController | null = null
    let status = 0
    let headers: IncomingHttpHeaders = {}
    let size = 0
    const chunks: Buffer[] = []
    const stop = () => {
      failed(signal?.reason)
      controller?.abort(signal?.reason as Error)
    }
    signal?.addEventListener('abort', stop, { once: true })
    const over = () => signal?.removeEventListener('abort', stop)
    dispatcher.dispatch(asked as Dispatcher.DispatchOptions, {
      onRequestStart(started) {
        controller = started
        // aborted while it waited for a connection: it is not sent
        if (signal?.aborted) started.abort(signal.reason as Error)
      },
      onResponseStart(_, code, fields) {
        status = code
        headers = fields
      },
      onResponseData(receiving, chunk) {
        size += chunk.length
        if (size > maxBytes) receiving.abort(new TooLarge(`an answer of more than ${maxBytes} bytes`))
        else chunks.push(chunk)
      },
      onResponseEnd() {
        over()
        const [first] = chunks
        const whole = chunks.length === 1 && first ? first : Buffer.concat(chunks)
        done({ status, headers, text: whole.toString('utf8') })
      },
      onResponseError(_, error) {
        over()
        failed(error)
      },
    })
  })
}
