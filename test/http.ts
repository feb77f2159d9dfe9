import type { FastifyInstance, InjectOptions } from 'fastify'
import { buildApp } from '../src/server/http/app.ts'
import type { Secret } from '../src/vault/secret.ts'
import { startTestEngine, type TestEngine } from './engine.ts'

export interface TestHttp extends TestEngine {
  readonly app: FastifyInstance
  /** A request without a socket, and its answer: JSON where it is JSON. */
  ask(path: string, token?: Secret | null, options?: InjectOptions): Promise<Answer>
}

export interface Answer {
  readonly http: number
  readonly headers: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly body: any
  readonly text: string
}

/** The HTTP interface on real parts below it, except containers. */
export async function startTestHttp(settings: object = {}): Promise<TestHttp> {
  const t = await startTestEngine(settings)
  const app = await buildApp(t.engine, { bodyLimit: 1024 * 1024, tlsCert: null, tlsKey: null }, { draining: false })
  return {
    ...t,
    app,
    ask: async (path, token = null, options = {}) => {
      const headers = { ...(token ? { 'x-auth-token': token.reveal() } : {}), ...options.headers }
      const answer = await app.inject({ method: 'GET', ...options, url: path, headers })
      const json = String(answer.headers['content-type']).startsWith('application/json')
      return {
        http: answer.statusCode,
        headers: answer.headers,
        body: json && answer.payload !== '' ? answer.json() : null,
        text: answer.payload,
      }
    },
    close: async () => {
      await app.close()
      await t.close()
    },
  }
}
