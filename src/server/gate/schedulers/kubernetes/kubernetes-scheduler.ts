import { WritError } from '../../../../protocol/errors.ts'
import type { Secret } from '../../../../vault/secret.ts'
import type { Cluster } from '../../../runtimes/kubernetes/cluster.ts'
import { type HttpAnswer, HttpPeer, wrongStatus } from '../http-peer.ts'
import { patiently } from '../patience.ts'
import type { Caller, Scheduler, Task } from '../scheduler.ts'
import { parseTaskId } from '../task-id.ts'
import { taskOf } from './task.ts'

export interface KubernetesOptions {
  readonly cluster: Cluster
  /** What a pod's token must have been made for. */
  readonly audience: string
  readonly timeoutMs?: number | undefined
}

/** `namespace/pod`, both as Kubernetes names them. */
const TASK_ID = /[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/
const MAX_TOKEN = 16 * 1024

/**
 * Pods of a Kubernetes cluster. The id says which is meant; the proof is a token of its service account, which Kubernetes projects into
 * the pod for this gate, bound to the pod: it is worth nothing elsewhere, and nothing once the pod has gone.
 */
export function kubernetesScheduler(options: KubernetesOptions): Scheduler {
  const http = new HttpPeer({ ca: options.cluster.ca, timeoutMs: options.timeoutMs })
  return {
    name: 'kubernetes',
    parseTaskId: text => parseTaskId(text, TASK_ID),
    lookup: async (id, caller, signal) => await patiently(signal, limit => lookup(http, options, id, caller, limit)),
    close: async () => await http.close(),
  }
}

async function lookup(
  http: HttpPeer,
  { cluster, audience }: KubernetesOptions,
  id: string,
  { proof }: Caller,
  signal: AbortSignal,
): Promise<Task> {
  if (!proof) throw new WritError('task_foreign', 'it brings no token of its service account')
  if (!isToken(proof)) throw new WritError('task_foreign', 'its token is not accepted')
  const { bearerOf, podOf } = await import('./answers.ts')
  const headers = { authorization: `Bearer ${(await ownToken(cluster)).reveal()}` }
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token: proof.reveal(), audiences: [audience] },
  }
  const path = '/apis/authentication.k8s.io/v1/tokenreviews'
  const review = await http.ask(cluster.origin, path, { method: 'POST', headers, body, signal })
  const bearer = bearerOf(accepted(review, 200, 201), audience)
  if (`${bearer.namespace}/${bearer.pod}` !== id)
    throw new WritError('task_foreign', 'its token is that of another pod')

  const found = await http.ask(cluster.origin, `/api/v1/namespaces/${bearer.namespace}/pods/${bearer.pod}`, {
    headers,
    signal,
  })
  if (found.status === 404) throw new WritError('task_not_found')
  return taskOf(podOf(accepted(found, 200)), bearer, found.now)
}

async function ownToken(cluster: Cluster): Promise<Secret> {
  try {
    return await cluster.token()
  } catch (cause) {
    throw new WritError('scheduler_unavailable', "the gate's own service account token cannot be read", { cause })
  }
}

function accepted(answer: HttpAnswer, ...statuses: number[]): unknown {
  if (!statuses.includes(answer.status)) throw wrongStatus(answer.status)
  return answer.json()
}

/** The three parts of a JWT: what is none is not sent on. */
function isToken(proof: Secret): boolean {
  const text = proof.reveal()
  return text.length <= MAX_TOKEN && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
}
