import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { request } from 'undici'

/** Carries requests to a server and keeps all that went past, in both directions. */
export class Courier {
  readonly requests: { method: string; url: string; token: string; body: string }[] = []
  readonly answers: string[] = []
  /** Says of a request whether its connection is to break. */
  breaks: (request: IncomingMessage) => boolean = () => false
  /** Says of a request whether its answer is to get lost. */
  loses: (request: IncomingMessage) => boolean = () => false
  readonly #server: Server
  readonly #to: string

  private constructor(to: string) {
    this.#to = to
    this.#server = createServer((incoming, answer) => void this.#carry(incoming, answer).catch(() => answer.destroy()))
  }

  static async to(address: string): Promise<Courier> {
    const courier = new Courier(address)
    await new Promise<void>(done => courier.#server.listen(0, '127.0.0.1', done))
    return courier
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }

  async #carry(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(incoming)
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers
    const { method = '', url = '' } = incoming
    const token = String(headers['x-auth-token'] ?? headers['x-vault-token'] ?? '')
    this.requests.push({ method, url, token, body: body.toString() })
    if (this.breaks(incoming)) return void incoming.socket.resetAndDestroy()
    const got = await request(`${this.#to}${url}`, {
      method: method as 'GET',
      headers,
      body: body.length > 0 ? body : null,
    })
    const bytes = Buffer.from(await got.body.arrayBuffer())
    if (this.loses(incoming)) return void incoming.socket.resetAndDestroy()
    this.answers.push(bytes.toString())
    answer.writeHead(got.statusCode, { 'content-type': String(got.headers['content-type'] ?? 'text/plain') }).end(bytes)
  }
}
