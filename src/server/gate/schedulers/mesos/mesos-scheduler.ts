import { WritError } from '../../../../protocol/errors.ts'
import { type HttpAnswer, HttpPeer, wrongStatus } from '../http-peer.ts'
import { patiently } from '../patience.ts'
import type { Scheduler, Task } from '../scheduler.ts'
import { parseTaskId } from '../task-id.ts'
import { type MesosAddress, masterHost } from './address.ts'
import type { Cluster, MesosTask } from './answers.ts'
import type { DcosLogin } from './dcos-login.ts'
import { Masters, noLeader } from './masters.ts'
import { taskOf, theLiveOne } from './task.ts'

export interface MesosOptions {
  readonly address: MesosAddress
  /** PEM of the authorities that sign the masters' certificates. */
  readonly ca?: string | undefined
  readonly timeoutMs?: number | undefined
  /** For DC/OS Enterprise, in the place of the login of the address: then the scheduler is called `dcosee-mesos`. */
  readonly dcos?: DcosLogin | undefined
}

/** With the first answer: schemas and their compiler take 14 MB, which a gate that waits need not hold. */
const answers = () => import('./answers.ts')

/** What Mesos lets be an id, in ASCII: no slash, no backslash, no control character. */
const TASK_ID = /[ -.0-[\]-~]{1,255}/
const MAX_TASKS_BYTES = 4 * 1024 * 1024
/** Of a big cluster it is tens of megabytes. */
const MAX_STATE_BYTES = 64 * 1024 * 1024
const MAX_HOPS = 2
/** Who runs in the cluster changes seldom; whoever is not known yet is asked for at once. */
const CLUSTER_MS = 60_000

/** What a master knows of an id; `sure`: it leads, so what it does not know is not there. */
interface Known {
  readonly tasks: readonly MesosTask[]
  readonly cluster: Cluster | undefined
  readonly host: string
  readonly now: Date | undefined
  readonly sure: boolean
}

/** Tasks of Mesos frameworks: Marathon, Chronos, Metronome, Singularity … (gatekeeper.md §8.1, §15.1). */
export function mesosScheduler(options: MesosOptions): Scheduler {
  const mesos = new Mesos(options)
  return {
    ...(options.dcos ? { name: 'dcosee-mesos', sharesUsesWith: 'mesos' } : { name: 'mesos' }),
    parseTaskId: text => parseTaskId(text, TASK_ID),
    lookup: async (id, _, signal) => await patiently(signal, limit => mesos.lookup(id, limit)),
    close: async () => await mesos.close(),
  }
}

class Mesos {
  readonly #options: MesosOptions
  readonly #masters: Masters
  readonly #http: HttpPeer
  #cluster: { readonly known: Cluster; readonly until: number } | undefined

  constructor(options: MesosOptions) {
    this.#options = options
    this.#masters = new Masters(options.address)
    this.#http = new HttpPeer({ ca: options.ca, timeoutMs: options.timeoutMs })
  }

  async lookup(id: string, signal: AbortSignal): Promise<Task> {
    const known = await this.#ask(id, signal)
    const task = theLiveOne(known.tasks)
    const cluster = known.cluster ?? (await this.#who(known.host, task, signal))
    return taskOf(task, cluster, known.now)
  }

  async close(): Promise<void> {
    await Promise.all([this.#http.close(), this.#options.dcos?.close()])
  }

  /** A master that does not lead knows no tasks: so the first that knows one is believed, and "none" only when all say so. */
  async #ask(id: string, signal: AbortSignal): Promise<Known> {
    let failure: unknown
    let nothing: Known | undefined
    for (const host of await this.#masters.candidates(signal)) {
      try {
        const known = await this.#askMaster(host, id, signal)
        if (known && (known.sure || known.tasks.length > 0)) {
          this.#masters.leads(known.host)
          return known
        }
        nothing ??= known
      } catch (error) {
        this.#masters.fails(host)
        failure = error
        signal.throwIfAborted()
      }
    }
    if (failure !== undefined) throw failure
    if (!nothing) throw noLeader()
    return nothing
  }

  async #askMaster(first: string, id: string, signal: AbortSignal): Promise<Known | undefined> {
    const named = this.#options.address.kind === 'zookeeper'
    const found = await this.#get(first, `/tasks?task_id=${encodeURIComponent(id)}`, MAX_TASKS_BYTES, signal)
    const { host, answer } = found
    if (answer.status === 200) {
      const { tasksNamed } = await answers()
      const tasks = tasksNamed(answer.json(), id)
      // only the leader is named by ZooKeeper, or by another master
      if (tasks) return { tasks, cluster: undefined, host, now: answer.now, sure: named || host !== first }
    } else if (answer.status !== 404) {
      throw wrongStatus(answer.status)
    }
    return await this.#askState(host, id, signal)
  }

  /** For masters that cannot look for one task: the state of the whole cluster. Its path has changed over the years. */
  async #askState(first: string, id: string, signal: AbortSignal): Promise<Known | undefined> {
    for (const path of ['/state', '/master/state.json']) {
      const { host, answer } = await this.#get(first, path, MAX_STATE_BYTES, signal)
      if (answer.status === 404) continue
      if (answer.status !== 200) throw wrongStatus(answer.status)
      const { readState } = await answers()
      const state = readState(answer.json(), id)
      return state && { ...state, host, now: answer.now, sure: true }
    }
    throw wrongStatus(404)
  }

  /** Names of frameworks and addresses of agents, which `/tasks` does not tell. */
  async #who(host: string, task: MesosTask, signal: AbortSignal): Promise<Cluster> {
    const known = this.#cluster
    if (known && known.until > Date.now() && known.known.names.has(task.framework_id)) {
      if (known.known.agents.has(task.slave_id)) return known.known
    }
    const { answer } = await this.#get(host, '/state-summary', MAX_STATE_BYTES, signal)
    if (answer.status !== 200) throw wrongStatus(answer.status)
    const { readSummary } = await answers()
    const fresh = readSummary(answer.json())
    this.#cluster = { known: fresh, until: Date.now() + CLUSTER_MS }
    return fresh
  }

  /**
   * Asks a master, and the leader that it names instead. Of a redirect only the host is taken: path and scheme stay ours, so that nobody
   * turns the question into another one, or has it asked in clear.
   */
  async #get(first: string, path: string, maxBytes: number, signal: AbortSignal) {
    let host = first
    for (let hop = 0; hop <= MAX_HOPS; hop++) {
      const { secure } = this.#options.address
      const headers = await this.#authorization(host, signal)
      const answer = await this.#http.ask(`${secure ? 'https' : 'http'}://${host}`, path, { headers, maxBytes, signal })
      if (![301, 302, 303, 307, 308].includes(answer.status)) return { host, answer }
      host = redirectHost(answer)
    }
    throw new WritError('scheduler_unavailable', 'the Mesos masters name each other as the leader')
  }

  /** The login goes to hosts that the operator named, and to others only where a certificate says who they are. */
  async #authorization(host: string, signal: AbortSignal): Promise<Record<string, string>> {
    const { address, dcos } = this.#options
    if (dcos) return address.secure ? { authorization: await dcos.header(host, signal) } : {}
    if (address.kind === 'zookeeper' || !address.login) return {}
    if (!address.secure && !address.hosts.includes(host)) return {}
    return { authorization: `Basic ${Buffer.from(address.login.reveal()).toString('base64')}` }
  }
}

/** `//10.0.0.1:5050/tasks`, or with a scheme. */
function redirectHost({ headers }: HttpAnswer): string {
  const { location } = headers
  const [, authority = ''] = /^(?:https?:)?\/\/([^/?#]+)/.exec(typeof location === 'string' ? location : '') ?? []
  const host = masterHost(authority)
  if (!host) throw new WritError('scheduler_lied', 'a redirect to no host')
  return host
}
