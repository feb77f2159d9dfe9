import { request } from 'undici'
import { FakeServer } from './fake-server.ts'

/** In front of a Vault: what it is asked for is done, and the answer may be long in coming. */
export class SlowVault {
  readonly #server: FakeServer
  #what: RegExp | null = null
  #skip = 0
  #held: () => void = () => {}
  #release: Promise<void> = Promise.resolve()
  #drips = false

  private constructor(server: FakeServer) {
    this.#server = server
  }

  static async before(address: string): Promise<SlowVault> {
    const server = await FakeServer.listen(() => {})
    const slow = new SlowVault(server)
    server.answer = async (response, { method, url, headers, body }) => {
      const names = ['x-vault-token', 'x-vault-wrap-ttl', 'x-vault-request'].filter(name => headers[name])
      const got = await request(`${address}${url}`, {
        method: method as 'POST',
        headers: Object.fromEntries(names.map(name => [name, String(headers[name])])),
        body: body || null,
      })
      const text = await got.body.text()
      if (slow.#what?.test(`${method} ${url}`) && slow.#skip-- === 0) slow.#held()
      else if (!slow.#drips) return response.writeHead(got.statusCode).end(text)
      if (slow.#drips) {
        response.writeHead(got.statusCode)
        const drip = setInterval(() => response.write(' '), 50)
        return response.once('close', () => clearInterval(drip))
      }
      await slow.#release
      response.writeHead(got.statusCode).end(text)
    }
    return slow
  }

  get address(): string {
    return this.#server.address
  }

  /** Settles when a call that matches (`POST /v1/…`) is done there; its answer waits for `release`. The first `skip` are let go. */
  hold(what: RegExp, skip = 0): { held: Promise<void>; release: () => void } {
    const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    this.#what = what
    this.#skip = skip
    this.#held = held.resolve
    this.#release = release.promise
    return { held: held.promise, release: release.resolve }
  }

  /** From now on answers begin and do not end. */
  drip(): void {
    this.#drips = true
  }

  async close(): Promise<void> {
    await this.#server.close()
  }
}
