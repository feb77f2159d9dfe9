import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer, json } from 'node:stream/consumers'

interface Action {
  href: string
  header?: Record<string, string>
}

/** What a batch answers of one object. */
export interface LfsObject {
  oid: string
  size: number
  authenticated?: boolean
  actions?: { download?: Action; upload?: Action }
  error?: { code: number; message: string }
}

export interface LfsOptions {
  /** As the client sees it: `https://host:port`. Asked late, since a port is known late. */
  readonly url: () => string
  /** `name:password`; without it, everybody may do everything. */
  readonly account?: string
  /** Changes what a batch says of an object. */
  readonly say?: (object: LfsObject) => unknown
  /** Answers a request for a content, when it returns true. */
  readonly give?: (oid: string, request: IncomingMessage, response: ServerResponse) => boolean
}

/** The batch API of LFS and its contents (git-lfs, docs/api/batch.md), in memory; goes before a git server. */
export class LfsServer {
  readonly contents = new Map<string, Buffer>()
  readonly #options: LfsOptions

  constructor(options: LfsOptions) {
    this.#options = options
  }

  /** Keeps a content, and answers the pointer that names it. */
  keep(content: string | Buffer): string {
    const bytes = Buffer.from(content)
    const oid = createHash('sha256').update(bytes).digest('hex')
    this.contents.set(oid, bytes)
    return pointerOf(oid, bytes.length)
  }

  /** True: it was a request of LFS, and is being answered. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): boolean => {
    const url = request.url ?? ''
    const [, oid] = /^\/lfs-contents\/([0-9a-f]{64})/.exec(url) ?? []
    if (!oid && !url.includes('/info/lfs/')) return false
    const { account, give } = this.#options
    if (account && request.headers.authorization !== `Basic ${Buffer.from(account).toString('base64')}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="lfs"' }).end()
    } else if (!oid) void this.#api(url, request, response)
    else if (request.method === 'PUT') void this.#take(oid, request, response)
    else if (!give?.(oid, request, response)) {
      const content = this.contents.get(oid)
      response.writeHead(content ? 200 : 404).end(content)
    }
    return true
  }

  async #api(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!url.endsWith('/objects/batch')) {
      response.writeHead(404).end('{}')
      return
    }
    const { operation, objects } = (await json(request)) as { operation: string; objects: LfsObject[] }
    const { say = object => object } = this.#options
    const answers = objects.map(({ oid, size }) => say(this.#describe(oid, size, operation)))
    response.setHeader('content-type', 'application/vnd.git-lfs+json')
    response.end(JSON.stringify({ transfer: 'basic', objects: answers.flat() }))
  }

  #describe(oid: string, size: number, operation: string): LfsObject {
    const href = `${this.#options.url()}/lfs-contents/${oid}`
    if (operation === 'upload')
      return this.contents.has(oid) ? { oid, size } : { oid, size, actions: { upload: { href } } }
    if (!this.contents.has(oid)) return { oid, size, error: { code: 404, message: 'not there' } }
    return { oid, size, actions: { download: { href } } }
  }

  async #take(oid: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.contents.set(oid, await buffer(request))
    response.end()
  }
}

export function pointerOf(oid: string, size: number | string): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`
}
