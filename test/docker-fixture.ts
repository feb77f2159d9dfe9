import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { type DockerOptions, dockerRuntime } from '../src/server/runtimes/docker/docker-runtime.ts'
import { Engine } from '../src/server/runtimes/docker/engine.ts'
import { isGone } from '../src/server/runtimes/docker/engine-error.ts'
import type {
  Attachment,
  ContainerSpec,
  Cursor,
  Exit,
  Image,
  OutputFrame,
  Runtime,
  SecretFiles,
} from '../src/server/runtimes/runtime.ts'
import { ensureBusyboxImage } from './busybox-image.ts'

export const NO_SECRETS: SecretFiles = { files: {}, env: {} }
const LABEL = 'writ.test'

export interface Finished {
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly exit: Exit
  /** Where the cursor stands behind all of it. */
  readonly cursor: Cursor
  /** How often it was said that some may be missing. */
  readonly gaps: number
}

/** Containers on the real engine, all removed at the end of the file. */
export class DockerFixture {
  readonly label = randomBytes(6).toString('hex')
  readonly runtime: Runtime
  /** The bare API, for what the runtime does not do. */
  readonly engine = new Engine()
  readonly #images = new Set<string>()
  #image: Image | undefined

  constructor(options: DockerOptions = {}) {
    this.runtime = dockerRuntime(options)
    beforeAll(async () => {
      this.#image = await dockerRuntime().image(await ensureBusyboxImage(), 'IfNotPresent', {})
    })
    afterAll(async () => {
      const cleaner = dockerRuntime()
      for (const { name } of await cleaner.list(LABEL, this.label)) await cleaner.remove(name)
      for (const id of this.#images) await this.#removeImage(id)
      await Promise.all([cleaner.close(), this.runtime.close(), this.engine.close()])
    })
  }

  /** The image is removed at the end, with what was prepared of it. */
  async remember(ref: string): Promise<void> {
    const { Id } = await this.engine.json<{ Id: string }>('GET', `/images/${ref}/json`)
    this.#images.add(Id)
  }

  async #removeImage(id: string): Promise<void> {
    const filters = JSON.stringify({ label: [`writ.base=${id}`] })
    const prepared = await this.engine.json<{ Id: string }[]>('GET', '/images/json', { query: { filters } })
    for (const { Id } of prepared) await this.engine.json('DELETE', `/images/${Id}`, { query: { force: 1 } })
    await this.engine.json('DELETE', `/images/${id}`, { query: { force: 1 } }).catch(error => {
      if (!isGone(error)) throw error
    })
  }

  spec(argv: readonly string[], rest: Partial<ContainerSpec> = {}): ContainerSpec {
    if (!this.#image) throw new Error('only inside of a test')
    return {
      name: `writ-test-${randomBytes(6).toString('hex')}`,
      labels: { [LABEL]: this.label },
      image: this.#image,
      argv,
      env: [],
      tty: false,
      limits: { memoryBytes: 64 * 1024 * 1024, pids: 50, network: 'none' },
      ...rest,
    }
  }

  async create(argv: readonly string[], rest: Partial<ContainerSpec> = {}): Promise<{ id: string; name: string }> {
    const spec = this.spec(argv, rest)
    const id = await this.runtime.create(spec)
    if (id === null) throw new Error(`${spec.name} exists`)
    return { id, name: spec.name }
  }

  async start(argv: readonly string[], secrets: SecretFiles = NO_SECRETS, rest: Partial<ContainerSpec> = {}) {
    const { id, name } = await this.create(argv, rest)
    return { id, name, attachment: await this.runtime.start(id, secrets) }
  }

  /** A shell script as a job, to its end. */
  async run(script: string, secrets: SecretFiles = NO_SECRETS, rest: Partial<ContainerSpec> = {}) {
    const { id, name, attachment } = await this.start(['sh', '-c', script], secrets, rest)
    return { id, name, ...(await finished(attachment)) }
  }
}

export async function finished({ output, exit }: Attachment): Promise<Finished> {
  const got = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  const cursor = { stdout: 0, stderr: 0 }
  let gaps = 0
  for await (const frame of output) {
    if (frame.stream === 'system') {
      if (frame.gap) gaps += 1
      continue
    }
    const { stream, data, advance } = frame
    got[stream].push(data)
    cursor[stream] += advance?.(data.length) ?? data.length
  }
  return { stdout: Buffer.concat(got.stdout), stderr: Buffer.concat(got.stderr), exit: await exit, cursor, gaps }
}

/** The output of an engine that was there all the time. */
export async function* withoutGaps(output: Attachment['output']): AsyncGenerator<OutputFrame, undefined> {
  for await (const frame of output) {
    if (frame.stream === 'system') throw new Error(Buffer.from(frame.data).toString())
    yield frame
  }
}
