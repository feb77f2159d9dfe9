import type { Runtime } from '../runtime.ts'
import { createContainer, listContainers, removeContainer, removeUnstarted } from './container.ts'
import { describeEngine } from './description.ts'
import { Engine } from './engine.ts'
import { type GateBinary, gateBinary } from './gate-binary.ts'
import { resolveImage } from './image.ts'
import { inspect, stateOf } from './inspection.ts'
import { PreparedImages } from './prepared-image.ts'
import { Pulls } from './pulls.ts'
import { attachAgain, startContainer } from './start.ts'
import { type RuntimeLog, stopContainer } from './stop.ts'

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
  readonly log?: RuntimeLog
}

/**
 * Containers by the Docker Engine API. A whole `true` with secrets takes 212 ms (median of 25), the bare calls of the
 * API without secrets, limits or any look at the state 196 ms in the same loop; with a terminal 254 ms.
 */
export function dockerRuntime({ host, patienceMs, log, ...options }: DockerOptions = {}): Runtime {
  const engine = new Engine(host, patienceMs)
  let binary: GateBinary | null | undefined
  const prepared = new PreparedImages(engine, () => {
    if (binary === undefined) binary = options.gateBinary === null ? null : gateBinary(options.gateBinary ?? '')
    return binary
  })
  const images = { engine, prepared, pulls: new Pulls(), stallMs: options.pullStallMs ?? PULL_STALL_MS }
  return {
    async info(signal) {
      return await describeEngine(engine, signal)
    },
    image: (ref, policy, wanted) => resolveImage(images, ref, policy, wanted),
    create: (spec, signal) => createContainer(engine, spec, signal),
    start: (id, files, signal) => startContainer(engine, id, files, signal),
    attach: (name, cursor, signal) => attachAgain(engine, name, cursor, signal),
    async find(name, signal) {
      const found = await inspect(engine, name, signal)
      return found && stateOf(found)
    },
    stop: (name, graceSeconds) => stopContainer(engine, name, graceSeconds, log),
    remove: name => removeContainer(engine, name),
    removeUnstarted: name => removeUnstarted(engine, name),
    list: (label, value) => listContainers(engine, label, value),
    close: () => engine.close(),
  }
}
