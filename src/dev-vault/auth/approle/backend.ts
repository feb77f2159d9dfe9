import { addressAllowed } from '../../cidr.ts'
import type { Core } from '../../core.ts'
import { fail, notFound, refuse } from '../../errors.ts'
import { Fields } from '../../fields.ts'
import type { Answer, Backend, Call, Route } from '../../routing/backend.ts'
import { limitsOf, loginOf } from '../token-params.ts'
import { changeRole, FIELD_PATHS, newRole, type Role, showRole } from './role.ts'
import { secretIdRoutes } from './secret-id-routes.ts'
import type { SecretId } from './secret-ids.ts'

/** AppRole: machines log in with a role id and a secret id. */
export function approleBackend(core: Core): Backend {
  const roles = new Map<string, Role>()
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()
  const find = (call: Call) => roles.get(nameOf(call))
  const need = (call: Call): Role => {
    const role = find(call)
    if (!role) throw notFound()
    return role
  }
  const store = (role: Role) => {
    for (const other of roles.values()) {
      if (other.roleId === role.roleId && other.name !== role.name) throw fail(400, 'role_id already in use')
    }
    roles.set(role.name, role)
    return undefined
  }

  const fieldRoute = (field: string): Route => {
    const { shows, reset } = FIELD_PATHS[field] as (typeof FIELD_PATHS)[string]
    return {
      path: `role/:name/${field}`,
      help: `Reads, changes or resets one field of a role: ${shows[0]}.`,
      read: call => {
        const shown = Object.entries(showRole(need(call))).filter(([key]) => shows.includes(key))
        return { data: Object.fromEntries(shown) }
      },
      write: call => store(changeRole(need(call), call.fields, false)),
      delete: call => store(changeRole(need(call), new Fields(reset), false)),
    }
  }

  return {
    help: 'Any registered Role can authenticate itself with Vault. The credentials depend on the constraints that are set on the Role.',
    open: ['login'],
    routes: [
      { path: 'login', help: 'Logs in with a role id and a secret id.', write: call => login(core, roles, call) },
      { path: 'role', help: 'Lists the roles.', list: () => ({ data: { keys: [...roles.keys()].sort() } }) },
      {
        path: 'role/:name',
        help: 'Reads, writes or deletes a role.',
        exists: call => find(call) !== undefined,
        read: call => ({ data: showRole(need(call)) }),
        write: call => {
          const before = find(call)
          return store(changeRole(before ?? newRole(nameOf(call)), call.fields, !before))
        },
        delete: call => {
          roles.delete(nameOf(call))
          return undefined
        },
      },
      {
        path: 'role/:name/role-id',
        help: 'Reads or sets the role id.',
        read: call => ({ data: { role_id: need(call).roleId } }),
        write: call => {
          const roleId = call.fields.text('role_id')
          if (roleId === '') throw refuse(400, 'missing role_id')
          return store({ ...need(call), roleId })
        },
      },
      ...secretIdRoutes(core, find),
      ...Object.keys(FIELD_PATHS).map(fieldRoute),
      {
        path: 'tidy/secret-id',
        help: 'Drops secret ids that have expired.',
        write: () => {
          for (const role of roles.values()) role.secretIds.tidy(core.clock.now())
          return { status: 202, data: null }
        },
      },
    ],
    renewLogin: token => {
      const name = String(token.internal.role)
      const role = roles.get(name)
      if (!role) throw refuse(500, `role ${JSON.stringify(name)} does not exist during renewal`)
      return limitsOf(role.params)
    },
  }
}

function login(core: Core, roles: ReadonlyMap<string, Role>, call: Call): Answer {
  const roleId = call.fields.text('role_id')
  if (roleId === '') throw refuse(400, 'missing role_id')
  const role = [...roles.values()].find(candidate => candidate.roleId === roleId)
  if (!role) throw refuse(400, 'invalid role ID')
  const secretId = role.bindSecretId ? provenBy(core, role, call) : undefined
  if (!addressAllowed(call.request.address, role.secretIdBoundCidrs ?? [])) throw unauthorized(call, 'by', 'role')
  if (secretId) role.secretIds.use(secretId, core.clock.now())
  const tokenCidrs = secretId?.tokenCidrs ?? []
  return {
    login: {
      ...loginOf(role.params),
      boundCidrs: tokenCidrs.length > 0 ? tokenCidrs : role.params.boundCidrs,
      displayName: '',
      metadata: { ...secretId?.metadata, role_name: role.name },
      alias: role.roleId,
      internal: { role: role.name },
    },
  }
}

function provenBy(core: Core, role: Role, call: Call): SecretId {
  const id = call.fields.text('secret_id')
  if (id === '') throw refuse(400, 'missing secret_id')
  const secretId = role.secretIds.get(id, core.clock.now())
  if (!secretId) throw refuse(400, 'invalid secret id')
  if (!addressAllowed(call.request.address, secretId.cidrs)) throw unauthorized(call, 'through', 'secret ID')
  return secretId
}

function unauthorized(call: Call, how: string, where: string) {
  return refuse(
    400,
    `source address ${JSON.stringify(call.request.address)} unauthorized ${how} CIDR restrictions on the ${where}`,
  )
}
