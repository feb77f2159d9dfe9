import { type Dispatcher, request } from 'undici'
import type { DevVault } from '../server.ts'
import type { JsonObject } from '../text/json.ts'

export interface TestAnswer {
  readonly status: number
  /** Empty when there is none. */
  readonly body: JsonObject
}

export interface TestRequest {
  readonly token?: string
  readonly body?: JsonObject | string | Buffer
  readonly wrapTtl?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** For tests: requests to a server, by its root token unless they say otherwise (an empty one is none). */
export function testClient(vault: Pick<DevVault, 'address' | 'rootToken'>) {
  return async (
    method: string,
    path: string,
    { token, body, wrapTtl, headers }: TestRequest = {},
  ): Promise<TestAnswer> => {
    const sent = token ?? vault.rootToken
    const response = await request(`${vault.address}/v1/${path}`, {
      method: method as Dispatcher.HttpMethod,
      headers: {
        ...(sent === '' ? {} : { 'x-vault-token': sent }),
        ...(wrapTtl === undefined ? {} : { 'x-vault-wrap-ttl': wrapTtl }),
        ...headers,
      },
      body:
        body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? (body ?? null) : JSON.stringify(body),
    })
    const text = await response.body.text()
    return { status: response.statusCode, body: (text === '' ? {} : JSON.parse(text)) as JsonObject }
  }
}

/** A value deep in an answer, for tests: `at(answer, 'auth', 'client_token')`. */
export function at(answer: TestAnswer, ...path: string[]): string {
  let value: unknown = answer.body
  for (const key of path) value = (value as JsonObject | undefined)?.[key]
  return value as string
}
