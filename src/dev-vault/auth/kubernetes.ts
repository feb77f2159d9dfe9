import type { KeyObject } from 'node:crypto'
import type { Core } from '../core.ts'
import { notFound, refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { recordRoutes } from '../routing/record-routes.ts'
import type { JsonObject } from '../text/json.ts'
import { checkJwt, readPublicKey, unverifiedClaims } from './jwt-check.ts'
import { fixedKeys } from './jwt-keys.ts'
import { USUAL_LEEWAYS } from './jwt-times.ts'
import { reviewToken } from './kubernetes-review.ts'
import { changeParams, limitsOf, loginOf, NO_PARAMS, showParams, type TokenParams } from './token-params.ts'

interface Config {
  readonly host: string
  readonly caCert: string
  readonly reviewerJwt: string
  readonly pems: readonly string[]
  readonly keys: readonly KeyObject[]
}

interface Role {
  readonly names: readonly string[]
  readonly namespaces: readonly string[]
  readonly audience: string
  readonly params: TokenParams
}

/** Kubernetes: the token of a service account, about which the cluster is asked. */
export function kubernetesBackend(core: Core): Backend {
  const roles = new Map<string, Role>()
  let config: Config | undefined
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()

  const login = async ({ fields }: Call): Promise<Answer> => {
    const [name, jwt] = [fields.text('role').toLowerCase(), fields.text('jwt')]
    if (jwt === '') throw refuse(400, 'missing jwt')
    if (name === '') throw refuse(400, 'missing role')
    const role = roles.get(name)
    if (!role) throw refuse(400, `invalid role name ${JSON.stringify(name)}`)
    if (!config) throw refuse(400, 'could not load backend configuration')
    const check = { keys: fixedKeys(config.keys), leeways: USUAL_LEEWAYS, algorithms: [], now: core.clock.now() }
    const claims = config.keys.length > 0 ? await checkJwt(jwt, check) : unverifiedClaims(jwt)
    if (role.audience !== '' && ![claims.aud].flat().includes(role.audience))
      throw refuse(403, 'invalid audience (aud) claim')
    const account = await reviewToken(config, jwt, role.audience)
    if (!listed(account.namespace, role.namespaces)) throw refuse(403, 'namespace not authorized')
    if (!listed(account.name, role.names)) throw refuse(403, 'service account name not authorized')
    return {
      login: {
        ...loginOf(role.params),
        displayName: `${account.namespace}-${account.name}`,
        metadata: {
          role: name,
          service_account_name: account.name,
          service_account_namespace: account.namespace,
          service_account_secret_name: '',
          service_account_uid: account.uid,
        },
        alias: account.uid,
        internal: { role: name },
      },
    }
  }

  return {
    help: 'The Kubernetes Auth Backend allows authentication for Kubernetes service accounts.',
    open: ['login'],
    routes: [
      {
        path: 'config',
        help: 'Where the cluster is, and how to ask it.',
        read: () => {
          if (!config) throw notFound()
          return { data: { kubernetes_host: config.host, kubernetes_ca_cert: config.caCert, pem_keys: config.pems } }
        },
        write: ({ fields }) => {
          if (!URL.canParse(fields.text('kubernetes_host'))) throw refuse(400, 'no host provided')
          const pems = fields.statements('pem_keys')
          config = {
            host: fields.text('kubernetes_host').replace(/\/+$/, ''),
            caCert: fields.text('kubernetes_ca_cert'),
            reviewerJwt: fields.text('token_reviewer_jwt'),
            pems,
            keys: pems.map(readPublicKey),
          }
          return undefined
        },
      },
      ...recordRoutes({
        path: 'role',
        noun: 'role',
        records: roles,
        nameOf,
        change: (call, before) => changeRole(call.fields, before),
        show: showRole,
      }),
      { path: 'login', help: 'Logs in with the token of a service account.', write: login },
    ],
    renewLogin: token => {
      const role = roles.get(String(token.internal.role))
      if (!role) throw refuse(500, 'role does not exist during renewal')
      return limitsOf(role.params)
    },
  }
}

function listed(name: string, names: readonly string[]): boolean {
  return names.includes('*') || names.includes(name)
}

function changeRole(fields: Fields, before: Role | undefined): Role {
  const list = (name: string, kept: readonly string[] = []) => (fields.has(name) ? fields.list(name) : kept)
  const role: Role = {
    names: list('bound_service_account_names', before?.names),
    namespaces: list('bound_service_account_namespaces', before?.namespaces),
    audience: fields.text('audience', before?.audience),
    params: changeParams(fields, before?.params ?? NO_PARAMS),
  }
  if (role.names.length === 0) throw refuse(400, '"bound_service_account_names" can not be empty')
  if (role.namespaces.length === 0) throw refuse(400, '"bound_service_account_namespaces" can not be empty')
  if (role.names.includes('*') && role.namespaces.includes('*')) {
    throw refuse(400, '"bound_service_account_names" and "bound_service_account_namespaces" can not both be "*"')
  }
  return role
}

function showRole(role: Role): JsonObject {
  return {
    ...showParams(role.params),
    bound_service_account_names: role.names,
    bound_service_account_namespaces: role.namespaces,
    ...(role.audience !== '' && { audience: role.audience }),
  }
}
