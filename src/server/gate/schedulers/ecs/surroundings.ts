import { WritError } from '../../../../protocol/errors.ts'
import { type HttpPeer, wrongStatus } from '../http-peer.ts'
import { parseCluster } from './task-arn.ts'

export interface Surroundings {
  readonly region: string | undefined
  readonly clusters: readonly string[]
}

const INSTANCE = 'http://169.254.169.254'
/** The port of the agent's introspection on a container instance. */
const AGENT_PORT = 51678

/**
 * The cluster that this process itself runs in, for a gate that is told of none (gatekeeper.md §8.2): by the metadata of its own task,
 * which Fargate has too, else by the agent of the instance. Throws `scheduler_unavailable`, `scheduler_lied`.
 */
export async function findSurroundings(
  http: HttpPeer,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  agentPort = AGENT_PORT,
): Promise<Surroundings> {
  const task = env.ECS_CONTAINER_METADATA_URI_V4
  if (task) {
    const url = new URL(task)
    return clusterIn(await get(http, url.origin, `${url.pathname.replace(/\/$/, '')}/task`, {}, signal), env)
  }
  const origin = env.AWS_EC2_METADATA_SERVICE_ENDPOINT?.replace(/\/+$/, '') || INSTANCE
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
  const asked = { method: 'PUT', headers: ttl, signal } as const
  const session = await http.ask(origin, '/latest/api/token', asked).catch(error => {
    if (signal.aborted) throw error
    return null
  })
  // in a container the answer to this may not arrive (it lives for one hop); without a session the service may still answer, as it did
  // to vault-gatekeeper
  const headers = session?.status === 200 ? { 'x-aws-ec2-metadata-token': printable(session.text()) } : undefined
  const word = async (path: string) => {
    const answer = await http.ask(origin, `/latest/meta-data/${path}`, { ...(headers ? { headers } : {}), signal })
    if (answer.status !== 200) throw wrongStatus(answer.status)
    return printable(answer.text())
  }
  const [region, address] = [await word('placement/region'), await word('local-ipv4')]
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) throw new WritError('scheduler_lied', 'an instance without address')
  const agent = await get(http, `http://${address}:${agentPort}`, '/v1/metadata', {}, signal)
  return { ...clusterIn(agent, env), region: env.AWS_REGION || region }
}

async function get(
  http: HttpPeer,
  origin: string,
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<unknown> {
  const answer = await http.ask(origin, path, { headers, signal })
  if (answer.status !== 200) throw wrongStatus(answer.status)
  return answer.json()
}

function clusterIn(answer: unknown, env: NodeJS.ProcessEnv): Surroundings {
  const { Cluster } = (answer ?? {}) as { Cluster?: unknown }
  try {
    if (typeof Cluster !== 'string') throw new Error('no cluster')
    return { region: env.AWS_REGION || parseCluster(Cluster).region, clusters: [Cluster] }
  } catch (cause) {
    throw new WritError('scheduler_lied', 'metadata of ECS without a cluster', { cause })
  }
}

/** A word that may go into a header. */
function printable(text: string): string {
  const word = text.trim()
  if (!/^[\x21-\x7e]{1,512}$/.test(word)) throw new WritError('scheduler_lied', 'metadata that is no word')
  return word
}
