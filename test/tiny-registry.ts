import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

/** Just enough of a registry for the engine to pull images of one layer from. It trusts every one on 127.0.0.1. */
export class TinyRegistry {
  readonly #images = new Map<string, Buffer>()
  readonly #blobs = new Map<string, Buffer>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const [, , ...path] = (request.url ?? '').split('/')
      const [kind, id = ''] = path.slice(-2)
      const body =
        path.join('') === '' ? Buffer.from('{}') : kind === 'manifests' ? this.#images.get(id) : this.#blobs.get(id)
      const type = kind === 'manifests' ? MANIFEST : 'application/octet-stream'
      if (body)
        response.writeHead(200, {
          'content-type': type,
          'docker-content-digest': digestOf(body),
          'content-length': body.length,
        })
      else response.writeHead(404, { 'content-type': 'application/json' })
      response.end(request.method === 'HEAD' ? undefined : (body ?? '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
    })
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

  withdraw(tag: string): void {
    this.#images.delete(tag)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
