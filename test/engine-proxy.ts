import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ENGINE = '/var/run/docker.sock'

/** The engine behind a socket of our own, to lose it from sight in every way without touching the engine. */
export class EngineProxy {
  readonly path = join(mkdtempSync(join(tmpdir(), 'writ-proxy-')), 'engine.sock')
  readonly host = `unix://${this.path}`
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #frozen = false

  async open(): Promise<this> {
    this.#server = createServer({ allowHalfOpen: true }, client => this.#forward(client))
    this.#server.listen(this.path)
    await once(this.#server, 'listening')
    return this
  }

  /** As when the engine restarts: every connection ends, and new ones are taken at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** As when the engine is gone. */
  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close')
    this.#server?.close()
    this.cut()
    await closed
    this.#server = undefined
  }

  /** As when the engine hangs: connections are taken, and nothing comes back any more. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.pause()
  }

  #forward(client: Socket): void {
    const engine = connect({ path: ENGINE, allowHalfOpen: true })
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (!this.#frozen) from.pipe(to)
    }
  }
}
