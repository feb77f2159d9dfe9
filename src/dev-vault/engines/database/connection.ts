import type { Client } from 'pg'

/** How to reach a PostgreSQL, as the client configured it. The password is never shown again. */
export interface ConnectionConfig {
  readonly pluginName: string
  readonly connectionUrl: string
  readonly username: string
  readonly password: string
  readonly allowedRoles: readonly string[]
  readonly rotateStatements: readonly string[]
}

const TIMEOUT = 10_000

/**
 * Does something over a connection of its own. Credentials are made seldom, and a pool would have to be emptied at each
 * rotation of its own password.
 */
export async function withClient<T>(config: ConnectionConfig, work: (client: Client) => Promise<T>): Promise<T> {
  // Loaded when first used: it takes 25 ms, twice what the rest of a start does, and most servers never need it.
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    connectionString: config.connectionUrl
      .replaceAll('{{username}}', encodeURIComponent(config.username))
      .replaceAll('{{password}}', encodeURIComponent(config.password)),
    connectionTimeoutMillis: TIMEOUT,
    statement_timeout: TIMEOUT,
  })
  // A server that goes away between two statements emits an error that would end the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Runs the statements, all of them or none. */
export async function runStatements(config: ConnectionConfig, statements: readonly string[]): Promise<void> {
  await withClient(config, async client => {
    await client.query('BEGIN')
    for (const statement of statements) await client.query(statement)
    await client.query('COMMIT')
  })
}

/**
 * Takes a role away when its Vault role says nothing about how: first what it was granted, or PostgreSQL keeps it.
 */
export async function dropRole(config: ConnectionConfig, name: string): Promise<void> {
  await withClient(config, async client => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name])
    if (rowCount === 0) return
    const role = client.escapeIdentifier(name)
    const schemas = await client.query<{ schema: string }>(
      `SELECT DISTINCT table_schema AS schema FROM information_schema.role_table_grants WHERE grantee = $1 UNION SELECT 'public'`,
      [name],
    )
    await client.query('BEGIN')
    for (const { schema } of schemas.rows) {
      const place = client.escapeIdentifier(schema)
      for (const kind of ['TABLES', 'SEQUENCES', 'FUNCTIONS']) {
        await client.query(`REVOKE ALL PRIVILEGES ON ALL ${kind} IN SCHEMA ${place} FROM ${role}`)
      }
      await client.query(`REVOKE USAGE ON SCHEMA ${place} FROM ${role}`)
    }
    await client.query(`DROP ROLE IF EXISTS ${role}`)
    await client.query('COMMIT')
  })
}
