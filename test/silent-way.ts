import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import pg from 'pg'

/**
 * A way to the database that can fall silent, as a network that drops every packet: nothing arrives on either side, and no connection ends. New
 * connections are taken, and hear nothing.
 */
export class SilentWay {
  /** The database behind it. */
  readonly url: string
  readonly #target: { path: string } | { host: string; port: number }
  readonly #server: Server
  readonly #tls: { cert: string; key: string } | undefined
  readonly #pairs = new Set<{ client: Socket; database: Socket }>()
  readonly #waiting: Socket[] = []
  readonly #sockets = new Set<Socket>()
  #silent = false
  #trap: { text: string; sprung: () => void } | null = null

  static async open(url: string, tls?: { cert: string; key: string }): Promise<SilentWay> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new SilentWay(url, server, tls)
  }

  private constructor(url: string, server: Server, tls?: { cert: string; key: string }) {
    const { database, host, port, user, password } = new pg.Client({ connectionString: url })
    this.#target = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
    this.#server = server
    this.#tls = tls
    server.on('connection', socket => this.#take(socket))
    const login = `${user}${password ? `:${encodeURIComponent(password)}` : ''}@`
    const { port: own } = server.address() as AddressInfo
    this.url = `postgres://${login}127.0.0.1:${own}/${database}?sslmode=${tls ? 'no-verify' : 'disable'}`
  }

  silence(): void {
    this.#silent = true
    for (const { client, database } of this.#pairs) {
      client.unpipe(database).pause()
      database.unpipe(client).pause()
    }
  }

  /** What was under way arrives now. */
  speak(): void {
    this.#silent = false
    for (const { client, database } of this.#pairs) client.pipe(database).pipe(client)
    for (const socket of this.#waiting.splice(0)) this.#take(socket)
  }

  /** Breaks the connection on which a client says this next: when the database has answered, and before the client hears of it. */
  loseAnswerTo(text: string): Promise<void> {
    const lost = Promise.withResolvers<void>()
    this.#trap = { text, sprung: () => lost.resolve() }
    return lost.promise
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #take(socket: Socket): void {
    socket.on('error', () => {})
    this.#sockets.add(socket)
    if (this.#silent) {
      socket.pause()
      this.#waiting.push(socket)
    } else if (this.#tls) {
      // the request for TLS, to which the database answers in one byte
      socket.once('data', () => {
        socket.write('S')
        this.#join(new TLSSocket(socket, { isServer: true, ...this.#tls }))
      })
      socket.resume()
    } else this.#join(socket)
  }

  #join(client: Socket): void {
    const database = connect(this.#target)
    this.#sockets.add(database)
    const pair = { client, database }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => {
        // the other side hears nothing of it either
        if (this.#silent) return
        this.#pairs.delete(pair)
        to.destroy()
      })
    }
    client.on('data', (data: Buffer) => {
      const trap = this.#trap
      if (!trap || !data.includes(trap.text)) return
      this.#trap = null
      database.unpipe(client)
      database.once('data', () => {
        trap.sprung()
        client.destroy()
      })
      database.resume()
    })
    client.pipe(database).pipe(client)
  }
}
