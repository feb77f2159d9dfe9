import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ContainerSpec, Image, Limits } from '../runtime.ts'
import { createBody, removeContainer } from './container.ts'
import type { Engine } from './engine.ts'
import { nameIsTaken } from './engine-error.ts'
import { ENVIRONMENT_NAME, GATE_SHELL } from './gate.ts'
import { inspect } from './inspection.ts'
import { type Made, requireLimits } from './limits-held.ts'
import type { RuntimeLog } from './stop.ts'

export const WARM_LABEL = 'writ.warm'
const START_MS = 120_000
const RETRY_MS = 30_000
/** Longer than a job needs from its container to its first output. */
const FILL_MS = 100

export interface WarmOptions {
  /** How many of which image. */
  readonly images: ReadonlyMap<string, number>
  /** Only jobs with exactly these fit. */
  readonly limits: Limits
  readonly labels: Readonly<Record<string, string>>
}

interface Gate {
  readonly id: string
  readonly ref: string
  readonly image: Image
  readonly socket: Duplex
}

/**
 * Containers that were started before there is a job for them: the gate waits in them for the secrets, and with those it gets what
 * the job is. A job takes one by giving it the name of its own container, so that name is the guard here too. If this process
 * ends, so do the connections, and with them the gates: without their input they run nothing.
 */
export class WarmGates {
  readonly #engine: Engine
  readonly #image: (ref: string) => Promise<Image>
  readonly #options: WarmOptions
  readonly #log: RuntimeLog | undefined
  readonly #prefix = `writ-warm-${randomBytes(6).toString('hex')}`
  readonly #idle = new Set<Gate>()
  readonly #taken = new Map<string, { gate: Gate; spec: ContainerSpec }>()
  readonly #making = new Map<Promise<void>, string>()
  #retry: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined
  #made = 0
  #closed = false

  constructor(engine: Engine, image: (ref: string) => Promise<Image>, options: WarmOptions, log?: RuntimeLog) {
    this.#engine = engine
    this.#image = image
    this.#options = options
    this.#log = log
    this.#fill()
  }

  /**
   * The id of a gate that has the name of that container now. Null: the name is taken. Undefined: there is none that fits, and a
   * container must be made.
   */
  async take(spec: ContainerSpec): Promise<string | null | undefined> {
    if (!this.#fits(spec)) return undefined
    for (const gate of this.#idle) {
      if (gate.image.id !== spec.image.id) continue
      this.#idle.delete(gate)
      this.#fillSoon()
      try {
        const [state] = await Promise.all([
          inspect(this.#engine, gate.id),
          this.#engine.json('POST', `/containers/${gate.id}/rename`, { query: { name: spec.name } }),
        ])
        if (state?.State.Running && !gate.socket.destroyed) {
          this.#taken.set(gate.id, { gate, spec })
          return gate.id
        }
        await this.#drop(gate)
      } catch (error) {
        await this.#drop(gate)
        if (nameIsTaken(error)) return null
      }
    }
    return undefined
  }

  /** The gate that was taken under this id, once. */
  claim(id: string): { readonly socket: Duplex; readonly spec: ContainerSpec } | undefined {
    const taken = this.#taken.get(id)
    this.#taken.delete(id)
    return taken && { socket: taken.gate.socket, spec: taken.spec }
  }

  /** Gates of this process, also those that are jobs by now. */
  has(name: string): boolean {
    return name.startsWith(this.#prefix)
  }

  /** What was taken and never claimed goes with its container. */
  forget(container: string): void {
    for (const [id, { spec, gate }] of this.#taken) {
      if (id !== container && spec.name !== container) continue
      this.#taken.delete(id)
      gate.socket.destroy()
    }
  }

  /** An image may have got another meaning since: gates of the old one would wait for ever. */
  async refresh(): Promise<void> {
    for (const ref of this.#options.images.keys()) {
      const image = await this.#image(ref).catch(() => null)
      const stale = [...this.#idle].filter(gate => gate.ref === ref && image && gate.image.id !== image.id)
      for (const gate of stale) await this.#drop(gate)
    }
    this.#fill()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#soon)
    await Promise.allSettled(this.#making.keys())
    await Promise.allSettled([...this.#idle].map(gate => this.#drop(gate)))
  }

  /** What is given at the creation of a container must be the same; everything else goes through the gate. */
  #fits({ tty, content, workingDirectory, limits, image, env }: ContainerSpec): boolean {
    const ours = this.#options.limits
    const same =
      limits.memoryBytes === ours.memoryBytes &&
      limits.pids === ours.pids &&
      (limits.cpus ?? 0) === (ours.cpus ?? 0) &&
      limits.network === ours.network &&
      !limits.readOnly
    const names = env.every(item => ENVIRONMENT_NAME.test(item.slice(0, item.indexOf('='))))
    return same && names && !tty && !content && !workingDirectory && image.shell === GATE_SHELL
  }

  /** Not at once: whoever took one has his job started now, and making another takes the processors from it. */
  #fillSoon(): void {
    if (this.#closed) return
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#fill()
    }, FILL_MS)
  }

  #fill(): void {
    if (this.#closed) return
    for (const [ref, count] of this.#options.images) {
      const have = [...this.#idle].filter(gate => gate.ref === ref).length
      const coming = [...this.#making.values()].filter(each => each === ref).length
      for (let i = have + coming; i < count; i++) this.#begin(ref)
    }
  }

  #begin(ref: string): void {
    const making: Promise<void> = this.#make(ref)
      .catch(error => {
        this.#log?.warn({ err: error, image: ref }, 'no container was started in advance')
        clearTimeout(this.#retry)
        if (!this.#closed) this.#retry = setTimeout(() => this.#fill(), RETRY_MS).unref()
      })
      .finally(() => this.#making.delete(making))
    this.#making.set(making, ref)
  }

  async #make(ref: string): Promise<void> {
    if (await this.#engine.isPodman()) {
      this.#log?.warn({ image: ref }, 'with Podman no container is started in advance')
      return
    }
    const image = await this.#image(ref)
    if (image.shell !== GATE_SHELL) throw new Error('there is no static busybox to wait in it')
    this.#made += 1
    const name = `${this.#prefix}-${this.#made}`
    const labels = { ...this.#options.labels, [WARM_LABEL]: name }
    const spec = { name, labels, image, argv: ['true'], env: [], tty: false, limits: this.#options.limits }
    const query = { name }
    const body = createBody(spec, null)
    const made = await this.#engine.json<Made>('POST', '/containers/create', { query, body })
    const id = made.Id
    try {
      await requireLimits(this.#engine, made, body.HostConfig)
      const streams = { stream: 1, stdin: 1, stdout: 1, stderr: 1, detachKeys: '' }
      const socket = await this.#engine.hijack(`/containers/${id}/attach`, { query: streams })
      await this.#engine.json('POST', `/containers/${id}/start`, { deadlineMs: START_MS })
      const gate = { id, ref, image, socket }
      // it ended by itself, or the engine did
      socket.once('close', () => {
        if (this.#idle.has(gate)) void this.#drop(gate).then(() => this.#fill())
      })
      this.#idle.add(gate)
      if (this.#closed) await this.#drop(gate)
    } catch (error) {
      await removeContainer(this.#engine, id).catch(() => {})
      throw error
    }
  }

  async #drop(gate: Gate): Promise<void> {
    this.#idle.delete(gate)
    gate.socket.destroy()
    await removeContainer(this.#engine, gate.id).catch(error => {
      this.#log?.warn({ err: error, container: gate.id }, 'a container that waited was not removed')
    })
  }
}
