import { WritError } from '../../../../protocol/errors.ts'
import { HttpPeer } from '../http-peer.ts'
import { patiently } from '../patience.ts'
import type { Scheduler, Task } from '../scheduler.ts'
import { parseTaskId } from '../task-id.ts'
import type { EcsTask } from './answers.ts'
import { type EcsClient, openEcs } from './client.ts'
import { findSurroundings } from './surroundings.ts'
import { taskOf } from './task.ts'
import { parseCluster, parseTaskArn, TASK_ID } from './task-arn.ts'

export interface EcsOptions {
  /** Names or ARNs, all of one region. Empty: the cluster that the gate itself runs in. */
  readonly clusters: readonly string[]
  readonly region?: string | undefined
  /** Instead of AWS' own: a VPC endpoint, a test. */
  readonly endpoint?: string | undefined
  readonly env?: NodeJS.ProcessEnv
  /** Of the ECS agent on the instance. */
  readonly agentPort?: number
}

const BEGIN_MS = 8_000

interface Ecs {
  readonly client: EcsClient
  readonly region: string | undefined
  readonly clusters: readonly string[]
}

/** Tasks of Amazon ECS (gatekeeper.md §8.2). Throws an Error for clusters that are none, or of several regions. */
export function ecsScheduler(options: EcsOptions): Scheduler {
  const clusters = options.clusters.map(parseCluster)
  const regions = new Set(
    [options.region, ...clusters.map(({ region }) => region)].filter(region => region !== undefined),
  )
  if (regions.size > 1) throw new Error('has clusters of several regions: one gate asks one')
  const ecs = new EcsTasks(options, regions.values().next().value)
  return {
    name: 'ecs',
    parseTaskId: text => parseTaskId(text, TASK_ID),
    lookup: async (id, _, signal) => await patiently(signal, limit => ecs.lookup(id, limit)),
    close: async () => await ecs.close(),
  }
}

class EcsTasks {
  readonly #options: EcsOptions
  readonly #region: string | undefined
  readonly #http = new HttpPeer({ timeoutMs: 2_000 })
  #ecs: Promise<Ecs> | undefined

  constructor(options: EcsOptions, region: string | undefined) {
    this.#options = options
    this.#region = region
  }

  async lookup(text: string, signal: AbortSignal): Promise<Task> {
    const ecs = await this.#open()
    const arn = parseTaskArn(text)
    const clusters = arn ? clustersFor(arn, ecs) : ecs.clusters
    if (clusters.length === 0) throw new WritError('task_not_found')
    const id = arn?.id ?? text
    const asked = await Promise.allSettled(clusters.map(cluster => describe(ecs.client, cluster, id, signal)))
    const found = asked.flatMap(one => (one.status === 'fulfilled' ? one.value : []))
    if (found.length > 1) throw new WritError('scheduler_lied', 'several tasks have this id')
    const [one] = found
    // the task may be in the cluster that did not answer
    const failed = asked.find(({ status }) => status === 'rejected')
    if (!one) throw failed ? (failed as PromiseRejectedResult).reason : new WritError('task_not_found')
    if (arn && one.taskArn !== text) throw new WritError('task_not_found')
    return taskOf(one)
  }

  async close(): Promise<void> {
    await this.#http.close()
    await this.#ecs?.then(({ client }) => client.close()).catch(() => {})
  }

  async #open(): Promise<Ecs> {
    this.#ecs ??= this.#begin().catch(error => {
      this.#ecs = undefined
      throw error
    })
    return await this.#ecs
  }

  async #begin(): Promise<Ecs> {
    const { clusters, endpoint, env = process.env, agentPort } = this.#options
    // its own: the first caller's would fail those who wait with it
    const signal = AbortSignal.timeout(BEGIN_MS)
    const known =
      clusters.length > 0
        ? { clusters, region: this.#region }
        : await findSurroundings(this.#http, env, signal, agentPort)
    const region = this.#region ?? known.region
    return { client: await openEcs(region, endpoint), region, clusters: known.clusters }
  }
}

/** The clusters that a task of this ARN can be in: none if it is of another region, or of a cluster that this gate does not serve. */
function clustersFor({ region, cluster }: NonNullable<ReturnType<typeof parseTaskArn>>, ecs: Ecs): readonly string[] {
  if (ecs.region !== undefined && region !== ecs.region) return []
  return cluster === undefined ? ecs.clusters : ecs.clusters.filter(one => parseCluster(one).name === cluster)
}

async function describe(client: EcsClient, cluster: string, id: string, signal: AbortSignal): Promise<EcsTask[]> {
  const { tasksIn } = await import('./answers.ts')
  const tasks = tasksIn(await client.describeTasks(cluster, [id], signal).catch(refused))
  for (const { taskArn, clusterArn } of tasks) {
    const ours = clusterArn === cluster || clusterArn.endsWith(`:cluster/${cluster}`)
    if (!ours || !taskArn.endsWith(`/${id}`)) throw new WritError('scheduler_lied', 'another task than was asked for')
  }
  return tasks
}

/** Only the kind of the SDK's errors is told: their texts repeat what AWS or a proxy said. */
function refused(error: unknown): never {
  if (error instanceof WritError) throw error
  if (error instanceof SyntaxError || error instanceof TypeError) {
    throw new WritError('scheduler_lied', "not ECS' answer", { cause: error })
  }
  const { name } = error as { name?: unknown }
  const detail = typeof name === 'string' && /^\w{1,60}$/.test(name) && name !== 'Error' ? name : undefined
  throw new WritError('scheduler_unavailable', detail, { cause: error })
}
