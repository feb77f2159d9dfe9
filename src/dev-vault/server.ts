import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { ListVerb } from '../list-verb/list-verb.ts'
import { catalog } from './catalog.ts'
import { Clock } from './clock.ts'
import { Core } from './core.ts'
import { answerCors } from './http/cors.ts'
import { readRequest } from './http/request.ts'
import { isAnswer, sendAnswer, sendError } from './http/respond.ts'
import { handle } from './pipeline/handle.ts'
import { statusAnswer } from './sys/status.ts'
import { uuid } from './text/ids.ts'
import type { JsonObject } from './text/json.ts'

export interface DevVaultOptions {
  /** Told about errors that are faults of this server; the client gets a 500 that says nothing. */
  readonly onError?: (error: unknown) => void
  /** Where to listen; loopback unless asked otherwise. */
  readonly host?: string
  /** 0, the default, takes a free port. */
  readonly port?: number
  /** The id of the root token; a random one by default. */
  readonly rootToken?: string
  /** Shared with other servers, or with whoever moves it. */
  readonly clock?: Clock
  /** Speaks TLS with this certificate and key, in PEM. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer }
}

/** A running server. */
export interface DevVault {
  /** `http://127.0.0.1:port` */
  readonly address: string
  readonly rootToken: string
  /** What `sys/unseal` wants after a seal. */
  readonly unsealKey: string
  readonly clock: Clock
  /** From now on 503 for everything but health and seal status. */
  seal(): void
  /** A write by the root token, past HTTP: for whoever prepares the server. @throws VaultError */
  write(path: string, data: JsonObject): Promise<void>
  unseal(): void
  /** Gives back secrets whose lease has ended; happens by itself every second and whenever the clock is moved. */
  sweep(): Promise<void>
  close(): Promise<void>
}

/** How often, in milliseconds, what has ended by time is cleared away. */
const SWEEP_EVERY = 1000

/**
 * Starts a server that speaks Vault's HTTP API, in this process and in memory only, as `vault server -dev` would: unsealed, a
 * version 2 kv engine at `secret/`, a root token. It is for tests and for trying things out; it protects nothing at rest.
 */
export async function startDevVault(options: DevVaultOptions = {}): Promise<DevVault> {
  const core = new Core(catalog, options.clock ?? new Clock(), options.rootToken)
  core.mount({ path: 'secret/', type: 'kv', options: { version: '2' }, description: 'key/value secret storage' })
  const { server, host, port, sockets } = await listen(core, options)
  const sweep = () => core.sweep()
  const timer = setInterval(() => void sweep(), SWEEP_EVERY).unref()
  const stopWatching = core.clock.onAdvance(() => void sweep())
  return {
    address: `${options.tls ? 'https' : 'http'}://${host}:${port}`,
    rootToken: core.rootToken,
    unsealKey: core.unsealKey,
    clock: core.clock,
    write: async (path, data) => {
      const by = { token: core.rootToken, wrapTtl: 0, address: '127.0.0.1' }
      await handle(core, { id: uuid(), operation: 'update', path, data, ...by })
    },
    seal: () => {
      core.sealed = true
    },
    unseal: () => {
      core.sealed = false
    },
    sweep,
    close: async () => {
      clearInterval(timer)
      stopWatching()
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
      for (const mount of core.mounts.all()) await mount.backend.close?.()
    },
  }
}

async function listen(core: Core, options: DevVaultOptions) {
  const answer = (message: IncomingMessage, response: ServerResponse) => void respond(core, options, message, response)
  // Whose certificate a client shows is for the auth method to judge; most show none.
  const clients = { requestCert: true, rejectUnauthorized: false }
  const server: Server = options.tls ? createTlsServer({ ...options.tls, ...clients }, answer) : createServer(answer)
  const sockets = new Set<Socket>()
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    ListVerb.attach(socket)
  })
  server.on('clientError', refuseConnection)
  // Payloads of 32 MiB over a slow line, and clients that keep their connections between bursts.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve)
  })
  const { address, family, port } = server.address() as AddressInfo
  return { server, sockets, port, host: family === 'IPv6' ? `[${address}]` : address }
}

async function respond(
  core: Core,
  options: DevVaultOptions,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (answerCors(core.cors, message, response)) return
    const request = await readRequest(message)
    sendAnswer(response, request, statusAnswer(core, request) ?? (await handle(core, request)))
  } catch (error) {
    // The client has gone; there is nobody to tell.
    if (message.errored) return
    // A body that was not read to its end leaves the connection in the middle of it.
    if (!message.complete) response.shouldKeepAlive = false
    sendError(response, error)
    if (!isAnswer(error)) options.onError?.(error)
  }
}

/** What the HTTP parser refuses: a verb it does not know is 405, as in Vault; the rest is 400. */
function refuseConnection(error: NodeJS.ErrnoException, socket: NodeJS.WritableStream & { destroyed?: boolean }): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') return
  const status = error.code === 'HPE_INVALID_METHOD' ? '405 Method Not Allowed' : '400 Bad Request'
  const body = '{"errors":[]}\n'
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  )
}
