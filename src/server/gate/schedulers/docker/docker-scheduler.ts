import { WritError } from '../../../../protocol/errors.ts'
import { Engine } from '../../../runtimes/docker/engine.ts'
import { EngineError } from '../../../runtimes/docker/engine-error.ts'
import { patiently } from '../patience.ts'
import type { Caller, Peer, Scheduler, Task } from '../scheduler.ts'
import { parseTaskId } from '../task-id.ts'
import type { Container } from './answers.ts'
import { requireOwn } from './others.ts'
import { taskOf } from './task.ts'

export interface DockerOptions {
  /** As in `DOCKER_HOST`. */
  readonly host?: string | undefined
  /** The label by whose value a container may be asked for; default `writ.task`. */
  readonly label?: string | undefined
  /** Only who connects over the gate's Unix socket, from inside of the container, gets its token. */
  readonly peerOnly: boolean
  /** All schedulers of the gate: a container that one of them has started is asked for there. */
  readonly others?: readonly string[] | undefined
  readonly timeoutMs?: number | undefined
}

/** With the first answer: schemas and their compiler take 14 MB, which a gate that waits need not hold. */
const answers = () => import('./answers.ts')

/** `self` is the container that the kernel names; else an id as `docker ps` or a host name shows it, in full, or a label. */
const SELF = 'self'
const CONTAINER_ID = /^(?:[0-9a-f]{12}|[0-9a-f]{64})$/
const TASK_ID = /[A-Za-z0-9][A-Za-z0-9_.:@-]{0,254}/
const LABEL = 'writ.task'
const TIMEOUT_MS = 5_000

/**
 * Containers of a Docker engine. An id or a label says which is meant; who asks over the gate's Unix socket must be in it, by the word of
 * the kernel. Everybody who may read `docker inspect` knows the ids: without the socket they are the only proof (ADR 16).
 */
export function dockerScheduler(options: DockerOptions): Scheduler {
  const docker = new Docker(options)
  return {
    name: 'docker',
    parseTaskId: text => parseTaskId(text, TASK_ID),
    lookup: async (id, caller, signal) => await patiently(signal, limit => docker.lookup(id, caller, limit)),
    close: async () => await docker.close(),
  }
}

class Docker {
  readonly #options: DockerOptions
  readonly #engine: Engine

  constructor(options: DockerOptions) {
    this.#options = options
    this.#engine = new Engine(options.host)
  }

  async lookup(id: string, caller: Caller, signal: AbortSignal): Promise<Task> {
    const inside = this.#inside(caller)
    const wanted = await this.#resolve(id, inside, signal)
    if (inside !== undefined && wanted !== inside) {
      throw new WritError('task_foreign', 'it does not ask from inside of the container')
    }
    const container = await this.#inspect(wanted, signal)
    requireOwn(container, this.#options.others ?? [])
    const { labelsOfImage } = await answers()
    const image = labelsOfImage(await this.#get(`/images/${encodeURIComponent(container.Image)}/json`, signal))
    return taskOf(container, image)
  }

  async close(): Promise<void> {
    await this.#engine.close()
  }

  /** The container that the caller is in; undefined for one from afar, where that is allowed. */
  #inside({ address, peer }: Caller): string | undefined {
    if (peer) return containerOf(peer)
    // on a Unix socket the kernel always knows: when it does not say, the caller has gone or hides
    if (address === '') throw new WritError('task_foreign', 'the kernel does not say who asks')
    if (this.#options.peerOnly) throw new WritError('task_foreign', 'it does not ask over the Unix socket of the gate')
    return undefined
  }

  async #resolve(id: string, inside: string | undefined, signal: AbortSignal): Promise<string> {
    if (id === SELF) {
      if (inside === undefined) throw new WritError('task_id_invalid', 'self is known on the Unix socket only')
      return inside
    }
    if (CONTAINER_ID.test(id)) return (await this.#inspect(id, signal)).Id
    const filters = JSON.stringify({ label: [`${this.#options.label ?? LABEL}=${id}`] })
    const { containersOf } = await answers()
    const found = containersOf(await this.#get('/containers/json', signal, { all: 0, limit: 10, filters }))
    if (found.length > 1) throw new WritError('task_foreign', 'several containers carry this label')
    const [one] = found
    if (!one) throw new WritError('task_not_found')
    return one.Id
  }

  async #inspect(id: string, signal: AbortSignal): Promise<Container> {
    const { inspected } = await answers()
    const found = inspected(await this.#get(`/containers/${id}/json`, signal))
    // names are looked up too, and a container may be called like the beginning of another's id
    if (!found.Id.startsWith(id)) throw new WritError('task_not_found')
    return found
  }

  async #get(path: string, signal: AbortSignal, query?: Record<string, string | number>): Promise<unknown> {
    const deadlineMs = this.#options.timeoutMs ?? TIMEOUT_MS
    try {
      return await this.#engine.json('GET', path, { ...(query ? { query } : {}), signal, deadlineMs })
    } catch (error) {
      if (error instanceof EngineError && error.status === 404) throw new WritError('task_not_found')
      throw new WritError('scheduler_unavailable', undefined, { cause: error })
    }
  }
}

function containerOf({ container }: Peer): string {
  if (container === null) throw new WritError('task_foreign', 'it asks from outside of any container')
  return container
}
