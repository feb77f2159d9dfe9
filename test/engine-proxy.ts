import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ENGINE_SOCKET } from './engine-socket.ts'

interface Trap {
  readonly pattern: RegExp
  readonly where: 'request' | 'answer'
  sprung(passOn: () => void): void
}

/** The engine behind a socket of our own, to lose it from sight in every way without touching the engine. */
export class EngineProxy {
  readonly path = join(mkdtempSync(join(tmpdir(), 'writ-proxy-')), 'engine.sock')
  readonly host = `unix://${this.path}`
  readonly #sockets = new Set<Socket>()
  /** What each client asked last, and where it was passed on to. */
  readonly #requests = new Map<Socket, { line: string; engine: Socket }>()
  #server: Server | undefined
  readonly #halfOpen: boolean
  #frozen = false
  #trap: Trap | undefined
  #forgetful = false

  /** `halfOpen: false`: a proxy that takes the end of what one side sends for the end of the connection. */
  constructor({ halfOpen = true } = {}) {
    this.#halfOpen = halfOpen
  }

  async open(): Promise<this> {
    // after a close there may be an open again
    mkdirSync(dirname(this.path), { recursive: true })
    this.#server = createServer({ allowHalfOpen: this.#halfOpen }, client => this.#forward(client))
    this.#server.listen(this.path)
    await once(this.#server, 'listening')
    return this
  }

  /** As when the engine restarts: every connection ends, and new ones are taken at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Ends connections whose request matches, to the client only and in all form, as a proxy may; answers how many. */
  endCleanly(pattern: RegExp): number {
    const found = [...this.#requests].filter(([, { line }]) => pattern.test(line))
    for (const [client, { engine }] of found) {
      engine.unpipe(client)
      engine.resume()
      client.end()
    }
    return found.length
  }

  /** As when the engine is gone. */
  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close')
    this.#server?.close()
    this.cut()
    await closed
    this.#server = undefined
    rmSync(dirname(this.path), { recursive: true, force: true })
  }

  /** As when the engine hangs: connections are taken, and nothing comes back any more. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** From now on as an engine that was started since: it knows of no event before that. */
  forgetEvents(): void {
    this.#forgetful = true
  }

  /** Resolves when a request has come whose first line matches; it is not passed on. */
  async holdRequest(pattern: RegExp): Promise<void> {
    await this.#hold(pattern, 'request')
  }

  /** Resolves when the engine has answered a request whose first line matches; the answer is not passed on. */
  async holdAnswer(pattern: RegExp): Promise<void> {
    await this.#hold(pattern, 'answer')
  }

  /** The same, but it is passed on when what this resolves with is called. */
  delayAnswer(pattern: RegExp): Promise<() => void> {
    return this.#hold(pattern, 'answer')
  }

  #hold(pattern: RegExp, where: Trap['where']): Promise<() => void> {
    return new Promise(sprung => {
      this.#trap = { pattern, where, sprung }
    })
  }

  /** Looks at what a client sends; true if the trap is for it, and it is not to be passed on. */
  #springs(chunk: Buffer, client: Socket, engine: Socket): boolean {
    const line = chunk.subarray(0, 300).toString('latin1').split('\r\n')[0] ?? ''
    if (/ HTTP\/1\.1$/.test(line)) this.#requests.set(client, { line, engine })
    if (this.#forgetful && /^GET \S+\/events\?/.test(line)) {
      client.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      return true
    }
    if (!this.#trap?.pattern.test(line)) return false
    const { where, sprung } = this.#trap
    this.#trap = undefined
    engine.unpipe(client)
    if (where === 'answer') {
      const passOn = (answer: Buffer) => () => {
        client.write(answer)
        engine.pipe(client)
      }
      engine.once('data', (answer: Buffer) => {
        engine.pause()
        sprung(passOn(answer))
      })
      engine.resume()
      return false
    }
    sprung(() => {})
    return true
  }

  #forward(client: Socket): void {
    const engine = connect({ path: ENGINE_SOCKET, allowHalfOpen: this.#halfOpen })
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        this.#requests.delete(from)
        to.destroy()
      })
    }
    if (this.#frozen) return
    engine.pipe(client)
    client.on('data', (chunk: Buffer) => {
      if (!this.#springs(chunk, client, engine)) engine.write(chunk)
    })
    client.on('end', () => engine.end())
  }
}
