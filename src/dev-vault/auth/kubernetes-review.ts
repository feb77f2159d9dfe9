import { refuse } from '../errors.ts'
import { isObject } from '../text/json.ts'
import { fetchJson } from './fetch-json.ts'

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

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'

/** Asks the cluster whether a token is good (TokenReview, authentication.k8s.io/v1). @throws VaultError */
export async function reviewToken(cluster: Cluster, jwt: string, audience: string): Promise<ServiceAccount> {
  const spec = { token: jwt, ...(audience !== '' && { audiences: [audience] }) }
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec }
  const answer = await fetchJson(`${cluster.host}${PATH}`, {
    ca: cluster.caCert,
    headers: { authorization: `Bearer ${cluster.reviewerJwt || jwt}` },
    body: JSON.stringify(review),
  }).catch(() => {
    throw refuse(403, 'the cluster cannot be asked about the token')
  })
  const status = isObject(answer) && isObject(answer.status) ? answer.status : {}
  const user = isObject(status.user) ? status.user : {}
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(String(user.username)) ?? []
  if (status.authenticated !== true || !namespace || !name)
    throw refuse(403, 'lookup failed: service account unauthorized')
  return { name, namespace, uid: String(user.uid) }
}
