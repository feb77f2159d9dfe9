import { addressAllowed } from '../cidr.ts'
import type { Clock } from '../clock.ts'
import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Fields } from '../fields.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { recordRoutes } from '../routing/record-routes.ts'
import { checkJwt, readPublicKey } from './jwt-check.ts'
import { fixedKeys, type JwtKeys, RemoteKeys } from './jwt-keys.ts'
import { changeRole, checkBounds, type JwtRole, mappedClaims, showRole } from './jwt-role.ts'
import { limitsOf, loginOf } from './token-params.ts'

interface Config {
  readonly pems: readonly string[]
  readonly jwksUrl: string
  readonly jwksCa: string
  readonly keys: JwtKeys
  readonly algorithms: readonly string[]
  readonly boundIssuer: string
  readonly defaultRole: string
}

const NO_CONFIG: Config = {
  pems: [],
  jwksUrl: '',
  jwksCa: '',
  keys: fixedKeys([]),
  algorithms: [],
  boundIssuer: '',
  defaultRole: '',
}

/** JWT: tokens that somebody else has signed, with keys that are configured or that are at a `jwks_url`. */
export function jwtBackend(core: Core): Backend {
  const roles = new Map<string, JwtRole>()
  let config = NO_CONFIG
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()

  const login = async ({ fields, request }: Call): Promise<Answer> => {
    const name = (fields.text('role') || config.defaultRole).toLowerCase()
    if (name === '') throw refuse(400, 'missing role')
    const role = roles.get(name)
    if (!role) throw refuse(400, `role ${JSON.stringify(name)} could not be found`)
    if (fields.text('jwt') === '') throw refuse(400, 'missing token')
    if (!addressAllowed(request.address, role.params.boundCidrs)) throw refuse(403, 'permission denied')
    const { keys, algorithms, boundIssuer } = config
    const check = { keys, algorithms, leeways: role.leeways, now: core.clock.now() }
    const claims = await checkJwt(fields.text('jwt'), check)
    if (boundIssuer !== '' && claims.iss !== boundIssuer)
      throw refuse(400, 'error validating token: invalid issuer (iss) claim')
    checkBounds(role, claims)
    const user = claims[role.userClaim]
    if (typeof user !== 'string' || user === '')
      throw refuse(400, `claim ${JSON.stringify(role.userClaim)} not found in token`)
    return {
      login: {
        ...loginOf(role.params),
        displayName: user,
        metadata: { ...mappedClaims(role, claims), role: name },
        alias: user,
        internal: { role: name },
      },
    }
  }

  return {
    help: 'The JWT backend plugin allows authentication using JWTs.',
    open: ['login'],
    routes: [
      {
        path: 'config',
        help: 'The keys that sign, and their issuer.',
        read: () => ({ data: showConfig(config) }),
        write: async ({ fields }) => {
          config = await newConfig(fields, core.clock)
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
      { path: 'login', help: 'Logs in with a JWT.', write: login },
    ],
    renewLogin: token => {
      const role = roles.get(String(token.internal.role))
      if (!role) throw refuse(500, 'role does not exist during renewal')
      return limitsOf(role.params)
    },
  }
}

/** @throws VaultError */
async function newConfig(fields: Fields, clock: Clock): Promise<Config> {
  if (fields.text('oidc_discovery_url') !== '') throw refuse(400, `'oidc_discovery_url' is not supported here`)
  const pems = fields.statements('jwt_validation_pubkeys')
  const [jwksUrl, jwksCa] = [fields.text('jwks_url'), fields.text('jwks_ca_pem')]
  if ((pems.length === 0) === (jwksUrl === ''))
    throw refuse(400, `exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set`)
  return {
    pems,
    jwksUrl,
    jwksCa,
    keys: jwksUrl === '' ? fixedKeys(pems.map(readPublicKey)) : await remoteKeys(jwksUrl, jwksCa, clock),
    algorithms: fields.list('jwt_supported_algs'),
    boundIssuer: fields.text('bound_issuer'),
    defaultRole: fields.text('default_role'),
  }
}

async function remoteKeys(url: string, ca: string, clock: Clock): Promise<JwtKeys> {
  try {
    const keys = new RemoteKeys(url, ca, clock)
    await keys.load()
    return keys
  } catch {
    throw refuse(400, 'error checking jwks URL')
  }
}

function showConfig(config: Config) {
  return {
    jwt_validation_pubkeys: config.pems,
    jwks_url: config.jwksUrl,
    jwks_ca_pem: config.jwksCa,
    jwt_supported_algs: config.algorithms,
    bound_issuer: config.boundIssuer,
    default_role: config.defaultRole,
  }
}
