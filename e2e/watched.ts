import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { busyboxEntries, tarOf } from '../test/busybox-image.ts'
import { World } from '../test/repositories/world.ts'
import { TinyRegistry } from '../test/tiny-registry.ts'
import { type ServerProcess, type Stack, startStack, until } from './stack.ts'

/** A whole system with a repository, people who sign, and an image with a digest. */
export interface Watched {
  readonly stack: Stack
  readonly world: World
  readonly registry: TinyRegistry
  /** Folder of the copies of its repositories. */
  readonly cache: string
  /** `127.0.0.1:…/busybox:1@sha256:…` */
  readonly image: string
  startServer(settings?: Record<string, string>): Promise<ServerProcess>
  close(): Promise<void>
}

export async function startWatched(): Promise<Watched> {
  const stack = await startStack()
  const registry = new TinyRegistry()
  await registry.listen()
  const digest = registry.offer('1', await tarOf(busyboxEntries()))
  const cache = mkdtempSync(join(tmpdir(), 'writ-e2e-watch-'))
  const world = new World()
  return {
    stack,
    world,
    registry,
    cache,
    image: `${registry.host}/busybox:1@${digest}`,
    startServer: settings =>
      stack.startServer({
        WRIT_WATCH_PROTOCOLS: 'https,ssh,http,file',
        WRIT_WATCH_CACHE: cache,
        ...settings,
      }),
    close: async () => {
      await stack.close()
      registry.letGo()
      await registry.close()
      world.close()
      rmSync(cache, { recursive: true, force: true })
    },
  }
}

/** Vault's HTTP, spoken with a server of ours. */
export class WatchApi {
  readonly #server: () => string
  readonly #token: string

  constructor(server: () => string, token: string) {
    this.#server = server
    this.#token = token
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  async send(method: string, path: string, body?: unknown): Promise<{ status: number; body: any }> {
    const answer = await request(`${this.#server()}/v1/${path}`, {
      method: method as 'GET',
      headers: { 'x-vault-token': this.#token },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: text === '' ? null : JSON.parse(text) }
  }

  async write(path: string, body: unknown = {}): Promise<void> {
    const { status, body: said } = await this.send('PUT', path, body)
    if (status !== 204 && status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(said)}`)
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  async read(path: string): Promise<any> {
    return (await this.send('GET', path)).body?.data
  }

  async tasks(mount: string): Promise<string[]> {
    return (await this.read(`${mount}/task`))?.keys ?? []
  }

  /** Waits until a commit has a task that has ended, and answers it with its log. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  async ended(mount: string, commit: string, attempt = 1): Promise<any> {
    // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
    let found: any
    await until(async () => {
      for (const id of await this.tasks(mount)) {
        const task = await this.read(`${mount}/task/${id}`)
        if (task?.commit === commit && task.attempt === attempt && task.ended !== '') found = task
      }
      return found !== undefined
    }, 40_000)
    const { result } = await this.read(`${mount}/task/${found.uuid}/log?limit=100000`)
    return { ...found, log: result }
  }
}
