import { randomBytes } from 'node:crypto'
import type { Engine } from './engine.ts'
import { isGone, refusal } from './engine-error.ts'
import type { GateBinary } from './gate-binary.ts'
import { PAUSE_COMMAND, pauseImage } from './pause-image.ts'
import type { RuntimeLog } from './stop.ts'

/** On the container that owns the network. */
export const PAUSE_LABEL = 'writ.pause'
/** On the job's container: whose network it is in. */
export const SLOT_LABEL = 'writ.slot'

const SLOT_NAME = /^writ-slot-[0-9a-f]{12}-\d+$/

/** Whether a name is one that only we give. Labels prove nothing: a container has those of its image, and anybody can put ours into one. */
export function isSlotName(name: string): boolean {
  return SLOT_NAME.test(name)
}

export interface SlotOptions {
  /** How many networks are kept at most. */
  readonly count: number
  /** Jobs of other networks get one of their own, as without slots. */
  readonly network: string
  readonly labels: Readonly<Record<string, string>>
  /** False: others may take this process for gone, and clear its slots away while it gives them to jobs. */
  readonly usable?: () => boolean
}

/** A container could not join that slot, and was not started. */
export class SlotLost extends Error {
  override readonly name = 'SlotLost'
  readonly slot: string
  constructor(slot: string) {
    super(`the network slot ${slot} is gone`)
    this.slot = slot
  }
}

interface Slot {
  readonly name: string
  /** Whose jobs it has seen. Null: none yet. */
  tenant: string | null
  /** Name of the container in it, or that is to be. */
  user: string | null
  /** The engine's, once it is there. */
  userId: string | null
}

/**
 * Networks that outlive the jobs in them: making one is half of the start of a container. Each belongs to a container that does
 * nothing but wait, and has one job in it at a time, because two would reach each other on 127.0.0.1. What a job leaves behind in
 * it (connections that are closing, counters, neighbours) only jobs of the same submitter come to see: for anybody else
 * there is a fresh one, or, if none is ready, the job gets a network of its own. So a slot never delays a job.
 */
export class Slots {
  readonly #engine: Engine
  readonly #binary: () => GateBinary | null
  readonly #options: SlotOptions
  readonly #log: RuntimeLog | undefined
  readonly #prefix = `writ-slot-${randomBytes(6).toString('hex')}`
  readonly #slots = new Map<string, Slot>()
  readonly #making = new Set<Promise<void>>()
  #made = 0
  #told = false
  #closed = false

  constructor(engine: Engine, binary: () => GateBinary | null, options: SlotOptions, log?: RuntimeLog) {
    this.#engine = engine
    this.#binary = binary
    this.#options = options
    this.#log = log
  }

  /** The name of the slot for that container, or null: then it gets a network of its own. */
  take(container: string, tenant: string, network: string): string | null {
    if (network !== this.#options.network || this.#closed || this.#options.usable?.() === false) return null
    const idle = [...this.#slots.values()].filter(({ user }) => user === null)
    const slot = idle.find(each => each.tenant === tenant) ?? idle.find(each => each.tenant === null)
    if (!slot) {
      this.#replenish(idle[0])
      return null
    }
    slot.user = container
    slot.tenant = tenant
    return slot.name
  }

  /** The container for which it was taken is there. */
  settle(name: string, id: string): void {
    const slot = this.#slots.get(name)
    if (slot) slot.userId = id
  }

  /** The container (its name or its id) is gone, so nothing of it is in the network any more. */
  release(container: string): void {
    for (const { name, user, userId } of this.#slots.values()) {
      if (user === container || userId === container) this.free(name)
    }
  }

  /** Nothing is in it. */
  free(name: string): void {
    const slot = this.#slots.get(name)
    if (!slot) return
    slot.user = null
    slot.userId = null
  }

  /** The slot does not work: no job gets it again. */
  discard(name: string): void {
    // what a container says of itself is asked of the engine, and removed by force
    if (!isSlotName(name)) return
    this.#slots.delete(name)
    void this.#remove(name)
  }

  /** Slots of this process. */
  has(name: string): boolean {
    return name.startsWith(this.#prefix)
  }

  /** Containers that hold slots, by their ids: what has the name by now may be another node's. One that is just being made is not among them. */
  get users(): string[] {
    return [...this.#slots.values()].flatMap(({ userId }) => userId ?? [])
  }

  /** Slots with a job in them stay: the job runs on, and whoever comes next clears them away. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#making)
    const idle = [...this.#slots.values()].filter(({ user }) => user === null)
    await Promise.allSettled(idle.map(({ name }) => this.#remove(name)))
  }

  /** One more, or a fresh one in place of an idle one that another's jobs have used. */
  #replenish(foreign: Slot | undefined): void {
    if (this.#slots.size + this.#making.size >= this.#options.count) {
      if (!foreign) return
      this.discard(foreign.name)
    }
    const gate = this.#binary()
    if (!gate) return
    const making: Promise<void> = this.#make(gate)
      .catch(error => this.#log?.warn({ err: error }, 'no network slot was made'))
      .finally(() => this.#making.delete(making))
    this.#making.add(making)
  }

  async #make(gate: GateBinary): Promise<void> {
    // A container in the network of another cannot outlive it there, and says so too late: each job gets one of its own.
    if (await this.#engine.isPodman()) {
      if (!this.#told) this.#log?.warn({}, 'with Podman there are no network slots: each job gets a network of its own')
      this.#told = true
      return
    }
    this.#made += 1
    const name = `${this.#prefix}-${this.#made}`
    const body = {
      Image: await pauseImage(this.#engine, gate),
      Entrypoint: PAUSE_COMMAND,
      User: '65534:65534',
      Labels: { ...this.#options.labels, [PAUSE_LABEL]: name },
      HostConfig: {
        Init: true,
        NetworkMode: this.#options.network,
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 8,
        Memory: 16 * 1024 * 1024,
        MemorySwap: 16 * 1024 * 1024,
        LogConfig: { Type: 'none', Config: {} },
      },
    }
    try {
      await this.#engine.json('POST', '/containers/create', { query: { name }, body })
      await this.#engine.json('POST', `/containers/${name}/start`)
    } catch (error) {
      await this.#remove(name)
      throw refusal(error, 'container_refused')
    }
    if (this.#closed) await this.#remove(name)
    else this.#slots.set(name, { name, tenant: null, user: null, userId: null })
  }

  async #remove(name: string): Promise<void> {
    const query = { force: 1, v: 1 }
    await this.#engine.json('DELETE', `/containers/${name}`, { query }).catch(error => {
      if (!isGone(error)) this.#log?.warn({ err: error, slot: name }, 'a network slot was not removed')
    })
  }
}
