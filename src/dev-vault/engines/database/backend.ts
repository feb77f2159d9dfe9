import type { Core } from '../../core.ts'
import { fail, refuse } from '../../errors.ts'
import type { Answer, Backend, Call, Caller, Mount } from '../../routing/backend.ts'
import { recordRoutes } from '../../routing/record-routes.ts'
import type { JsonObject } from '../../text/json.ts'
import { configRoutes } from './config-routes.ts'
import { type ConnectionConfig, dropRole, runStatements } from './connection.ts'
import { loginName, newPassword } from './names.ts'
import { changeRole, type Role, showRole } from './role.ts'
import { fillStatements, sqlTime } from './statements.ts'

const RENEW = [`ALTER ROLE "{{name}}" VALID UNTIL '{{expiration}}'`]

/** The database engine, for PostgreSQL: logins that are made when they are asked for and dropped with their lease. */
export function databaseBackend(core: Core, mount: Mount): Backend {
  const connections = new Map<string, ConnectionConfig>()
  const roles = new Map<string, Role>()
  const nameOf = (call: Call) => call.params.name as string
  const connection = (name: string): ConnectionConfig => {
    const found = connections.get(name)
    if (!found) throw fail(500, `failed to find entry for connection with name: ${JSON.stringify(name)}`)
    return found
  }

  const credentials = async (call: Call): Promise<Answer> => {
    const name = nameOf(call)
    const role = roles.get(name)
    if (!role) throw refuse(400, `unknown role: ${name}`)
    const config = connection(role.dbName)
    if (!allowed(config.allowedRoles, name)) throw fail(500, `${JSON.stringify(name)} is not an allowed role`)
    const { mountDefault, mountMax } = core.ttlsOf(mount)
    const ttl = Math.min(role.defaultTtl || mountDefault, role.maxTtl || mountMax, mountMax)
    const username = loginName((call.caller as Caller).token.displayName, name, core.clock.now())
    const password = newPassword()
    const expiration = sqlTime(core.clock.now() + ttl * 1000)
    const statements = fillStatements(role.creation, { name: username, username, password, expiration })
    await orFail(runStatements(config, statements))
    return {
      data: { username, password },
      secret: { ttl, maxTtl: role.maxTtl, internal: { username, role: name, dbName: role.dbName, madeBy: role } },
    }
  }

  return {
    help: 'The database backend supports using many different databases as secret backends; here it is PostgreSQL.',
    routes: [
      ...configRoutes(connections, connection),
      ...recordRoutes({
        path: 'roles',
        noun: 'role',
        records: roles,
        nameOf,
        change: (call, before) => changeRole(call.fields, before),
        show: showRole,
      }),
      { path: 'creds/:name', help: 'Makes credentials.', read: credentials },
    ],
    renewSecret: async (internal, expiresAt) => {
      const { username, dbName, role } = given(internal)
      const values = { name: username, username, expiration: sqlTime(expiresAt) }
      const statements = role.renew.length > 0 ? role.renew : RENEW
      await orFail(runStatements(connection(dbName), fillStatements(statements, values)))
    },
    revokeSecret: async internal => {
      const { username, dbName, role } = given(internal)
      const config = connection(dbName)
      const statements = fillStatements(role.revocation, { name: username, username })
      await orFail(statements.length > 0 ? runStatements(config, statements) : dropRole(config, username))
    },
  }

  /** What was given out. The role of today counts, and the one of then when it is gone. */
  function given(internal: JsonObject): { username: string; dbName: string; role: Role } {
    const { username, dbName, role, madeBy } = internal as {
      username: string
      dbName: string
      role: string
      madeBy: Role
    }
    return { username, dbName, role: roles.get(role) ?? madeBy }
  }
}

/** What PostgreSQL says, without what was said to it. @throws VaultError */
async function orFail(work: Promise<void>): Promise<void> {
  await work.catch((error: Error) => {
    throw fail(500, `failed to execute query: pq: ${error.message}`)
  })
}

function allowed(patterns: readonly string[], name: string): boolean {
  return patterns.some(pattern => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name))
}
