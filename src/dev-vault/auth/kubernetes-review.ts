import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { refuse } from '../errors.ts'
import { isObject, parseJson } from '../text/json.ts'

/** Whose token it is. */
export interface ServiceAccount {
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

export interface Cluster {
  readonly host: string
  /** PEM; empty for the authorities that the machine trusts. */
  readonly caCert: string
  /** Whose right it is to ask; empty lets the token ask about itself. */
  readonly reviewerJwt: string
}

const TIMEOUT = 10_000
const MAX_ANSWER = 1024 * 1024
const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'

/** Asks the cluster whether a token is good (TokenReview, authentication.k8s.io/v1). @throws VaultError */
export async function reviewToken(cluster: Cluster, jwt: string, audience: string): Promise<ServiceAccount> {
  const spec = { token: jwt, ...(audience !== '' && { audiences: [audience] }) }
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec }
  const answer = await post(cluster, cluster.reviewerJwt || jwt, JSON.stringify(review)).catch(() => {
    throw refuse(403, 'the cluster cannot be asked about the token')
  })
  const status = isObject(answer) && isObject(answer.status) ? answer.status : {}
  const user = isObject(status.user) ? status.user : {}
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(String(user.username)) ?? []
  if (status.authenticated !== true || !namespace || !name)
    throw refuse(403, 'lookup failed: service account unauthorized')
  return { name, namespace, uid: String(user.uid) }
}

function post({ host, caCert }: Cluster, token: string, body: string): Promise<unknown> {
  const url = new URL(`${host}${PATH}`)
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' }
  const options = { method: 'POST', headers, timeout: TIMEOUT, ...(caCert !== '' && { ca: caCert }) }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest
    const outgoing = send(url, options, incoming => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('error', reject)
      incoming.on('data', (chunk: string) => {
        text += chunk
        if (text.length > MAX_ANSWER) incoming.destroy(new Error('answer too long'))
      })
      incoming.on('end', () => {
        try {
          resolve(parseJson(text))
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
