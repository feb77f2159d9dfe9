import type { FastifyInstance, InjectOptions } from 'fastify'
import { WritError } from '../src/protocol/errors.ts'
import { buildApp } from '../src/server/http/app.ts'
import type { NodeState } from '../src/server/http/health.ts'
import type { Identity } from '../src/server/identity/identity.ts'
import { Meters } from '../src/server/jobs/meters.ts'
import type { Runtime, RuntimeInfo } from '../src/server/runtimes/runtime.ts'
import { Turns } from '../src/server/watch/turns.ts'
import type { WatchSettings } from '../src/server/watch/watching.ts'
import type { Secret } from '../src/vault/secret.ts'
import { startTestEngine, type TestEngine } from './engine.ts'

export interface TestHttp extends TestEngine {
  readonly app: FastifyInstance
  readonly state: NodeState
  /** The engine that is not there. */
  readonly runtime: Pick<Runtime, 'info'>
  /** A request without a socket, and its answer: JSON where it is JSON. */
  readonly ask: Ask
  /** Another node on the same database, without an identity in Vault. */
  sealed(): Promise<{ app: FastifyInstance; ask: Ask }>
}

type Ask = (path: string, token?: Secret | null, options?: InjectOptions) => Promise<Answer>

export interface Answer {
  readonly http: number
  readonly headers: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly body: any
  readonly text: string
}

const ENGINE: RuntimeInfo = {
  engine: 'test',
  version: '1',
  containers: { all: 0, running: 0, paused: 0, stopped: 0 },
  images: 0,
  memoryBytes: 0,
  architecture: 'test',
  operatingSystem: 'test',
}

const WATCH_SETTINGS: WatchSettings = {
  kubernetesNamespaces: ['ci', 'prod'],
  watchProtocols: ['https', 'ssh', 'file'],
  watchCache: '/nonexistent',
  watchLooks: 1,
}

function raiseSealed(): never {
  throw new WritError('server_sealed')
}

/** The HTTP interface on real parts below it, except containers. */
export async function startTestHttp(settings: object = {}): Promise<TestHttp> {
  const t = await startTestEngine({ vaultAddr: 'https://vault.example', vaultExternalAddr: '', ...settings })
  const runtime: Pick<Runtime, 'info'> = { info: async () => ENGINE }
  const engine = t.node(t.engine.node, runtime)
  const http = { bodyLimit: 1024 * 1024, tlsCert: null, tlsKey: null, rateLimit: 0, rateLimitOpen: 0, ...settings }
  const node = { draining: false }
  const app = await buildApp(engine, http, node, {
    watching: { engine, settings: WATCH_SETTINGS, turns: new Turns(1) },
  })
  const asking =
    (app: FastifyInstance) =>
    async (path: string, token: Secret | null = null, options: InjectOptions = {}) => {
      const headers = { ...(token ? { 'x-auth-token': token.reveal() } : {}), ...options.headers }
      const answer = await app.inject({ method: 'GET', ...options, url: path, headers })
      const json = String(answer.headers['content-type']).startsWith('application/json')
      return {
        http: answer.statusCode,
        headers: answer.headers,
        body: json && answer.payload !== '' ? answer.json() : null,
        text: answer.payload,
      }
    }
  return {
    ...t,
    app,
    state: node,
    runtime,
    ask: asking(app),
    sealed: async () => {
      const identity = { state: { sealed: true, reason: 'test' }, token: () => raiseSealed(), doubt: async () => {} }
      const other = { ...engine, identity: identity as unknown as Identity, meters: new Meters() }
      const its = await buildApp(other, http, node)
      return { app: its, ask: asking(its) }
    },
    close: async () => {
      await app.close()
      await t.close()
    },
  }
}
