import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'

/** A request that a fake server got. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Answers one request; `count` is 1 for the first. */
export type Answer = (response: ServerResponse, request: Seen, count: number) => unknown

/** A server for failures that no real one gives when asked: remembers what it got and answers what the test says. */
export class FakeServer {
  readonly seen: Seen[] = []
  connections = 0
  address = ''
  answer: Answer
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(answer: Answer, tls?: { cert: string; key: string }) {
    this.answer = answer
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.#handle(request, response)
    this.#server = tls ? createTlsServer(tls, handle) : createServer(handle)
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async listen(answer: Answer, tls?: { cert: string; key: string }): Promise<FakeServer> {
    const fake = new FakeServer(answer, tls)
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    fake.address = `${tls ? 'https' : 'http'}://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`
    return fake
  }

  /** Breaks every connection, whatever is on its way. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request).catch(() => '')
    const { method = '', url = '', headers } = request
    const seen = { method, url, headers, body }
    this.seen.push(seen)
    await this.answer(response, seen, this.seen.length)
  }
}

/** Answers JSON. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
