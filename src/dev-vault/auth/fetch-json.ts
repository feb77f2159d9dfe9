import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { parseJson } from '../text/json.ts'

const TIMEOUT = 10_000
const MAX_ANSWER = 1024 * 1024

export interface JsonRequest {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as a POST. */
  readonly body?: string
  /** PEM; empty for the authorities that the machine trusts. */
  readonly ca: string
}

/** What a server answers to one request, whatever its status, in ten seconds and one megabyte. @throws Error */
export function fetchJson(address: string, { headers, body, ca }: JsonRequest): Promise<unknown> {
  const url = new URL(address)
  const all = {
    accept: 'application/json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  }
  const method = body === undefined ? 'GET' : 'POST'
  const options = { method, headers: all, timeout: TIMEOUT, ...(ca !== '' && { ca }) }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest
    const outgoing = send(url, options, incoming => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('error', reject)
      incoming.on('data', (chunk: string) => {
        text += chunk
        if (text.length > MAX_ANSWER) incoming.destroy(new Error('answer too long'))
      })
      incoming.on('end', () => {
        try {
          resolve(parseJson(text))
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
