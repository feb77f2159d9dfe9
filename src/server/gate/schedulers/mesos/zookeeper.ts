import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Secret } from '../../../../vault/secret.ts'
import { Decoder, Encoder } from './jute.ts'

const SESSION_MS = 10_000
/** ZooKeeper's own limit for what a node holds, with room for the rest of an answer. */
const MAX_FRAME = 1024 * 1024 + 4096

const OPERATION = { getData: 4, getChildren: 8, auth: 100, closeSession: -11 } as const
const AUTH_XID = -4
const ERROR_NAMES: Readonly<Record<number, string>> = {
  [-4]: 'connection loss',
  [-101]: 'no such node',
  [-102]: 'not permitted',
  [-112]: 'session expired',
  [-115]: 'login refused',
}

/** ZooKeeper answered with a refusal. */
export class ZooKeeperError extends Error {
  override readonly name = 'ZooKeeperError'
  readonly code: number
  constructor(code: number) {
    super(`ZooKeeper: ${ERROR_NAMES[code] ?? `error ${code}`}`)
    this.code = code
  }
}

/**
 * A short session with one server of an ensemble, to read. Written here because the library for it ends the whole process when a server
 * sends seven wrong bytes. One call at a time; an abort of the signal breaks the connection. Protocol: `zookeeper.jute` of ZooKeeper.
 */
export class ZooKeeperSession {
  readonly #socket: Socket
  readonly #frames: AsyncIterator<Buffer>
  #xid = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#frames = frames(socket)
  }

  static async open(
    server: { host: string; port: number },
    login: Secret | undefined,
    signal: AbortSignal,
  ): Promise<ZooKeeperSession> {
    const socket = connect({ host: server.host.replace(/^\[(.*)\]$/, '$1'), port: server.port })
    const abort = () => socket.destroy(new Error('no answer in time'))
    // whoever reads sees it; while nobody does it must not end the process
    socket.on('error', () => {})
    socket.once('close', () => signal.removeEventListener('abort', abort))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const session = new ZooKeeperSession(socket)
    try {
      await once(socket, 'connect')
      await session.#begin(login)
      return session
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  async #begin(login: Secret | undefined): Promise<void> {
    const hello = new Encoder().int(0).long(0n).int(SESSION_MS).long(0n).buffer(Buffer.alloc(16)).bool(false)
    this.#send(hello)
    const answer = await this.#next()
    answer.int()
    if (answer.int() <= 0) throw new ZooKeeperError(-112)
    if (!login) return
    const auth = new Encoder().int(AUTH_XID).int(OPERATION.auth)
    this.#send(auth.int(0).text('digest').buffer(Buffer.from(login.reveal())))
    await this.#reply(AUTH_XID)
  }

  async children(path: string): Promise<string[]> {
    const answer = await this.#call(OPERATION.getChildren, path)
    return Array.from({ length: answer.count() }, () => answer.text())
  }

  async data(path: string): Promise<Buffer> {
    return (await this.#call(OPERATION.getData, path)).buffer()
  }

  /** Says goodbye, so that the ensemble need not keep the session until it expires. */
  close(): void {
    this.#xid += 1
    this.#send(new Encoder().int(this.#xid).int(OPERATION.closeSession))
    this.#socket.end()
    // the server closes too; if not, we do
    this.#socket.setTimeout(1_000, () => this.#socket.destroy())
    this.#socket.resume()
  }

  async #call(operation: number, path: string): Promise<Decoder> {
    this.#xid += 1
    this.#send(new Encoder().int(this.#xid).int(operation).text(path).bool(false))
    return await this.#reply(this.#xid)
  }

  async #reply(wanted: number): Promise<Decoder> {
    const answer = await this.#next()
    const xid = answer.int()
    answer.long()
    const code = answer.int()
    if (xid !== wanted) throw new Error('ZooKeeper: an answer to another question')
    if (code !== 0) throw new ZooKeeperError(code)
    return answer
  }

  #send(message: Encoder): void {
    this.#socket.write(message.frame())
  }

  async #next(): Promise<Decoder> {
    const { value, done } = await this.#frames.next()
    if (done) throw new Error('ZooKeeper: connection closed')
    return new Decoder(value)
  }
}

async function* frames(socket: Socket): AsyncGenerator<Buffer, undefined> {
  let pending = Buffer.alloc(0)
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk as Buffer])
    while (pending.length >= 4) {
      const size = pending.readInt32BE(0)
      if (size < 0 || size > MAX_FRAME) throw new Error('ZooKeeper: not an answer of ZooKeeper')
      if (pending.length < 4 + size) break
      yield pending.subarray(4, 4 + size)
      pending = pending.subarray(4 + size)
    }
  }
}
