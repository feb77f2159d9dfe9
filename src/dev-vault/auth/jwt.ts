import type { KeyObject } from 'node:crypto'
import type { Core } from '../core.ts'
import { notFound, refuse } from '../errors.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { checkJwt, readPublicKey } from './jwt-check.ts'
import { changeRole, checkBounds, type JwtRole, showRole } from './jwt-role.ts'
import { limitsOf, loginOf } from './token-params.ts'

interface Config {
  readonly pems: readonly string[]
  readonly keys: readonly KeyObject[]
  readonly boundIssuer: string
  readonly defaultRole: string
}

/** JWT: tokens that somebody else has signed, with keys that are configured (no discovery by URL). */
export function jwtBackend(core: Core): Backend {
  const roles = new Map<string, JwtRole>()
  let config: Config = { pems: [], keys: [], boundIssuer: '', defaultRole: '' }
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()

  const login = ({ fields }: Call): Answer => {
    const name = (fields.text('role') || config.defaultRole).toLowerCase()
    if (name === '') throw refuse(400, 'missing role')
    const role = roles.get(name)
    if (!role) throw refuse(400, `role ${JSON.stringify(name)} could not be found`)
    if (fields.text('jwt') === '') throw refuse(400, 'missing token')
    const claims = checkJwt(fields.text('jwt'), config.keys, core.clock.now())
    if (config.boundIssuer !== '' && claims.iss !== config.boundIssuer)
      throw refuse(400, 'error validating token: invalid issuer (iss) claim')
    checkBounds(role, claims)
    const user = claims[role.userClaim]
    if (typeof user !== 'string' || user === '')
      throw refuse(400, `claim ${JSON.stringify(role.userClaim)} not found in token`)
    const mapped = Object.entries(role.claimMappings).filter(([claim]) => claims[claim] !== undefined)
    return {
      login: {
        ...loginOf(role.params),
        displayName: user,
        metadata: {
          ...Object.fromEntries(mapped.map(([claim, as]) => [String(as), String(claims[claim])])),
          role: name,
        },
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
        read: () => ({
          data: {
            jwt_validation_pubkeys: config.pems,
            bound_issuer: config.boundIssuer,
            default_role: config.defaultRole,
          },
        }),
        write: ({ fields }) => {
          const pems = fields.statements('jwt_validation_pubkeys')
          if (pems.length === 0)
            throw refuse(400, `exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set`)
          config = {
            pems,
            keys: pems.map(readPublicKey),
            boundIssuer: fields.text('bound_issuer'),
            defaultRole: fields.text('default_role'),
          }
          return undefined
        },
      },
      { path: 'role', help: 'Lists the roles.', list: () => ({ data: { keys: [...roles.keys()].sort() } }) },
      {
        path: 'role/:name',
        help: 'Reads, writes or deletes a role.',
        exists: call => roles.has(nameOf(call)),
        read: call => {
          const role = roles.get(nameOf(call))
          if (!role) throw notFound()
          return { data: showRole(role) }
        },
        write: call => {
          roles.set(nameOf(call), changeRole(call.fields, roles.get(nameOf(call))))
          return undefined
        },
        delete: call => {
          roles.delete(nameOf(call))
          return undefined
        },
      },
      { path: 'login', help: 'Logs in with a JWT.', write: login },
    ],
    renewLogin: token => {
      const role = roles.get(String(token.internal.role))
      if (!role) throw refuse(500, 'role does not exist during renewal')
      return limitsOf(role.params)
    },
  }
}
