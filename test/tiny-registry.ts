import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
/** Larger than a configuration, smaller than a layer. */
const STALLING_BYTES = 10_000
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

/** Just enough of a registry for the engine to pull images of one layer from. It trusts every one on 127.0.0.1. */
export class TinyRegistry {
  /** `user:password`; without it, everybody may pull. */
  login: string | undefined
  /** How often a manifest was asked for by its tag. */
  readonly asked = new Map<string, number>()
  /** Layers end in the middle and the connection stays open, while this is set. */
  stalling = false
  /** With what so many of the next requests for a manifest are answered. */
  ailing = { status: 503, times: 0 }
  readonly #images = new Map<string, Buffer>()
  readonly #blobs = new Map<string, Buffer>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, , ...path] = (request.url ?? '').split('/')
    const [kind, id = ''] = path.slice(-2)
    if (kind === 'manifests' && this.ailing.times > 0) {
      this.ailing.times -= 1
      response.writeHead(this.ailing.status, { 'content-type': 'text/plain' }).end('not now')
      return
    }
    const given = request.headers.authorization?.replace('Basic ', '')
    if (this.login && Buffer.from(given ?? '', 'base64').toString() !== this.login) {
      // a registry that says back what it was sent
      const message = `not you: ${given} ${Buffer.from(given ?? '', 'base64')}`
      response.writeHead(401, { 'www-authenticate': 'Basic realm="tiny"', 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message }] }))
      return
    }
    if (kind === 'manifests') this.asked.set(id, (this.asked.get(id) ?? 0) + 1)
    const body =
      path.join('') === '' ? Buffer.from('{}') : kind === 'manifests' ? this.#images.get(id) : this.#blobs.get(id)
    const type = kind === 'manifests' ? MANIFEST : 'application/octet-stream'
    if (body) {
      const headers = { 'docker-content-digest': digestOf(body), 'content-length': body.length }
      response.writeHead(200, { 'content-type': type, ...headers })
    } else response.writeHead(404, { 'content-type': 'application/json' })
    const stalls = this.stalling && body && body.length > STALLING_BYTES && kind === 'blobs'
    if (stalls) response.write(body.subarray(0, STALLING_BYTES))
    else response.end(request.method === 'HEAD' ? undefined : (body ?? '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /**
   * Offers an image under a tag. A damaged one has a layer that is not what its digest says. Returns the manifest's
   * digest.
   */
  offer(tag: string, layer: Buffer, { damaged = false } = {}): string {
    const gz = gzipSync(layer)
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
        os: 'linux',
        config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
        rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
      }),
    )
    const part = (mediaType: string, bytes: Buffer) => ({ mediaType, size: bytes.length, digest: digestOf(bytes) })
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: part('application/vnd.docker.container.image.v1+json', config),
        layers: [part('application/vnd.docker.image.rootfs.diff.tar.gzip', gz)],
      }),
    )
    this.#blobs.set(digestOf(config), config)
    this.#blobs.set(digestOf(gz), damaged ? Buffer.from(gz).fill(0, 20, 40) : gz)
    this.#images.set(tag, manifest)
    this.#images.set(digestOf(manifest), manifest)
    return digestOf(manifest)
  }

  /** Cuts the connections: the engine asks again. */
  letGo(): void {
    this.#server.closeAllConnections()
  }

  withdraw(tag: string): void {
    this.#images.delete(tag)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
