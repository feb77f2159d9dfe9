import { setImmediate } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'
import type { ContainerSpec, Runtime } from '../runtime.ts'
import { began } from './began.ts'
import { createContainer, listContainers, removeContainer, removeUnstarted } from './container.ts'
import { describeEngine } from './description.ts'
import { Engine } from './engine.ts'
import { secretTar } from './gate.ts'
import { type GateBinary, gateBinary } from './gate-binary.ts'
import { resolveImage } from './image.ts'
import { inspect, stateOf } from './inspection.ts'
import { MadeContainers } from './made.ts'
import { PreparedImages } from './prepared-image.ts'
import { Pulls } from './pulls.ts'
import { SlotLost, type SlotOptions, Slots } from './slots.ts'
import { attachAgain, attachToStart, releaseGate, startContainer } from './start.ts'
import { type RuntimeLog, stopContainer } from './stop.ts'
import { clearAfter, type TidyOptions, tidy } from './tidy.ts'
import { WarmGates, type WarmOptions } from './warm.ts'

const PULL_STALL_MS = 300_000

export interface DockerOptions {
  /** `unix:///path` or `tcp://host:port`; without it `DOCKER_HOST`, else the usual socket. */
  readonly host?: string | undefined
  /**
   * How long an engine may be away before its running containers count as out of reach; for a restart 20 s is plenty.
   */
  readonly patienceMs?: number
  /** A statically linked busybox; empty or left out: the one that this machine has. Null: none, images need their own shell. */
  readonly gateBinary?: string | null
  /** How long nothing may happen in a pull before it is given up; five minutes unless said. */
  readonly pullStallMs?: number
  /** Networks that outlive jobs; left out: each job gets one of its own. */
  readonly slots?: SlotOptions
  /** Containers that are started before there is a job for them; left out: none. */
  readonly warm?: WarmOptions
  /** What `tidy` takes for left over; left out: nothing. */
  readonly tidy?: TidyOptions
  readonly log?: RuntimeLog
}

/**
 * Containers by the Docker Engine API. A whole `true` with secrets takes 212 ms (median of 25), the bare calls of the
 * API without secrets, limits or any look at the state 196 ms in the same loop; with a terminal 254 ms.
 */
export function dockerRuntime({ host, patienceMs, log, ...options }: DockerOptions = {}): Runtime {
  const engine = new Engine(host, patienceMs)
  let found: GateBinary | null | undefined
  const binary = () => {
    if (found === undefined) found = options.gateBinary === null ? null : gateBinary(options.gateBinary ?? '')
    return found
  }
  const prepared = new PreparedImages(engine, binary)
  const images = {
    engine,
    prepared,
    pulls: new Pulls(),
    stallMs: options.pullStallMs ?? PULL_STALL_MS,
    owner: options.tidy?.owner[1],
  }
  const slots = options.slots?.count ? new Slots(engine, binary, options.slots, log) : null
  const warm = options.warm?.images.size
    ? new WarmGates(engine, ref => resolveImage(images, ref, 'IfNotPresent', {}), options.warm, log)
    : null
  const made = new MadeContainers()
  /** Behind what the caller does first with the container: that takes longer, and should not wait for this to be begun. */
  const connected = async (id: string, tty: boolean, signal?: AbortSignal) => {
    await setImmediate()
    return await attachToStart(engine, id, tty, signal)
  }
  /** What a slot is to blame for is tried again by the caller, who then gets another one or none. */
  const inSlots = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof SlotLost)) throw error
      slots?.discard(error.slot)
      throw new WritError('runtime_unavailable', 'the network of the job was gone', { cause: error })
    }
  }
  const make = async (spec: ContainerSpec, signal: AbortSignal | undefined): Promise<string | null> => {
    const gate = await warm?.take(spec)
    if (gate !== undefined) return gate
    const slot = (spec.tenant && slots?.take(spec.name, spec.tenant, spec.limits.network)) || null
    let id: string | null = null
    try {
      id = await inSlots(() => createContainer(engine, spec, slot, signal))
      if (id === null) return null
      if (slot) slots?.settle(slot, id)
      made.add(id, spec, slot, connected(id, spec.tty, signal))
      return id
    } catch (error) {
      const gone = error instanceof WritError && error.code === 'image_not_found' && prepared.forget(spec.image.id)
      throw gone ? new WritError('runtime_unavailable', 'the prepared image was gone', { cause: error }) : error
    } finally {
      // a container of another attempt has the name: it is not in this slot
      if (slot && id === null) slots?.free(slot)
    }
  }
  const removeIfUnstarted = async (container: string): Promise<boolean> => {
    const gate = warm?.claim(container)
    gate?.socket.destroy()
    if (gate) await removeContainer(engine, container)
    else if (!(await removeUnstarted(engine, container))) return false
    made.forget(container)
    slots?.release(container)
    return true
  }
  return {
    async info(signal) {
      return await describeEngine(engine, signal)
    },
    image: (ref, policy, wanted) => resolveImage(images, ref, policy, wanted),
    async create(spec, signal) {
      signal?.throwIfAborted()
      // whoever gives up does not wait for the engine, which goes on with it: what it makes would be there when the job has long been released
      const making = make(spec, signal)
      try {
        return await unlessAborted(making, signal)
      } catch (error) {
        if (signal?.aborted) {
          const left = making.then(id => id === null || removeIfUnstarted(id))
          left.catch(reason => log?.warn({ err: reason, container: spec.name }, 'what was given up was not removed'))
        }
        throw error
      }
    },
    async start(id, files, signal) {
      const gate = warm?.claim(id)
      if (!gate) return await inSlots(() => startContainer(engine, id, files, { fresh: made.take(id), signal }))
      return await releaseGate(engine, id, gate.socket, await secretTar(files, gate.spec), signal)
    },
    began: (container, signal) => began(engine, container, signal),
    attach: (container, cursor, rest) => attachAgain(engine, container, cursor, rest),
    async find(name, signal) {
      const state = await inspect(engine, name, signal)
      return state && stateOf(state)
    },
    stop: (container, graceSeconds) => stopContainer(engine, container, graceSeconds, log),
    async remove(container) {
      warm?.forget(container)
      made.forget(container)
      await removeContainer(engine, container)
      slots?.release(container)
    },
    removeUnstarted: removeIfUnstarted,
    list: (label, value) => listContainers(engine, label, value),
    async tidy() {
      await warm?.refresh()
      if (options.tidy) await tidy(engine, { slots, warm }, options.tidy)
    },
    async clearAfter(gone) {
      if (options.tidy) await clearAfter(engine, { slots, warm }, options.tidy, gone)
    },
    async close() {
      await Promise.all([slots?.close(), warm?.close()])
      await engine.close()
    },
  }
}

/** What was promised, or the end of the wait for it. */
async function unlessAborted<T>(promised: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promised
  const given = Promise.withResolvers<never>()
  const giveUp = () => given.reject(signal.reason)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([promised, given.promise])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
