import { fail, notFound, refuse } from '../../errors.ts'
import type { Call, Route } from '../../routing/backend.ts'
import type { JsonObject } from '../../text/json.ts'
import { type ConnectionConfig, runStatements, withClient } from './connection.ts'
import { newPassword } from './names.ts'
import { fillStatements } from './statements.ts'

const PLUGIN = 'postgresql-database-plugin'

/** Connections: configured, read, reset, and their own password rotated. */
export function configRoutes(
  connections: Map<string, ConnectionConfig>,
  need: (name: string) => ConnectionConfig,
): Route[] {
  const nameOf = (call: Call) => call.params.name as string
  return [
    {
      path: 'config',
      help: 'Lists the connections.',
      list: () => ({ data: { keys: [...connections.keys()].sort() } }),
    },
    {
      path: 'config/:name',
      help: 'Reads, writes or deletes a connection.',
      exists: call => connections.has(nameOf(call)),
      read: call => {
        const config = connections.get(nameOf(call))
        if (!config) throw notFound()
        return { data: showConfig(config) }
      },
      write: async call => {
        const config = changeConfig(call, connections.get(nameOf(call)))
        if (call.fields.flag('verify_connection', true)) await verify(config)
        connections.set(nameOf(call), config)
        return undefined
      },
      delete: call => {
        connections.delete(nameOf(call))
        return undefined
      },
    },
    {
      path: 'reset/:name',
      help: 'Closes and opens a connection; none is kept open here.',
      write: call => {
        need(nameOf(call))
        return undefined
      },
    },
    {
      path: 'rotate-root/:name',
      help: 'Gives the connection a password that nobody knows.',
      write: async call => {
        const config = need(nameOf(call))
        const password = newPassword()
        await changePassword(config, password).catch((error: Error) => {
          throw fail(500, `failed to rotate the password: pq: ${error.message}`)
        })
        connections.set(nameOf(call), { ...config, password })
        return undefined
      },
    },
  ]
}

function changeConfig({ fields }: Call, before: ConnectionConfig | undefined): ConnectionConfig {
  const config: ConnectionConfig = {
    pluginName: fields.text('plugin_name', before?.pluginName),
    connectionUrl: fields.text('connection_url', before?.connectionUrl),
    username: fields.text('username', before?.username),
    password: fields.text('password', before?.password),
    allowedRoles: fields.has('allowed_roles') ? fields.list('allowed_roles') : (before?.allowedRoles ?? []),
    rotateStatements: fields.has('root_rotation_statements')
      ? fields.statements('root_rotation_statements')
      : (before?.rotateStatements ?? []),
  }
  const wrong = (reason: string) => refuse(400, `error creating database object: ${reason}`)
  if (config.pluginName === '') throw refuse(400, 'empty plugin name')
  if (config.pluginName !== PLUGIN) throw wrong(`plugin not found in the catalog: ${config.pluginName}`)
  if (config.connectionUrl === '') throw wrong('connection_url cannot be empty')
  return config
}

async function verify(config: ConnectionConfig): Promise<void> {
  await withClient(config, client => client.query('SELECT 1')).catch((error: Error) => {
    throw refuse(400, `error creating database object: error verifying connection: pq: ${error.message}`)
  })
}

async function changePassword(config: ConnectionConfig, password: string): Promise<void> {
  const { username } = config
  if (config.rotateStatements.length > 0) {
    await runStatements(config, fillStatements(config.rotateStatements, { name: username, username, password }))
    return
  }
  await withClient(config, async client => {
    // The name comes from a client and is quoted as one; the password has nothing to quote.
    await client.query(`ALTER ROLE ${client.escapeIdentifier(username)} WITH PASSWORD '${password}'`)
  })
}

function showConfig(config: ConnectionConfig): JsonObject {
  return {
    allowed_roles: config.allowedRoles,
    connection_details: { connection_url: config.connectionUrl, username: config.username },
    password_policy: '',
    plugin_name: config.pluginName,
    root_credentials_rotate_statements: config.rotateStatements,
  }
}
