import { writeFile } from 'node:fs/promises'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Client, escapeLiteral } from 'pg'

/** A PostgreSQL that asks for passwords, reached over TCP: what the database scenarios need. */
export interface PasswordPostgres {
  /** `postgres://user:password@127.0.0.1:port/db` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Makes one of a PostgreSQL that listens on a Unix socket only and trusts everybody there: everyone but its own account must
 * give a password from now on, and a port on loopback leads to the socket.
 */
export async function askForPasswords(socketUrl: string, dataDirectory: string): Promise<PasswordPostgres> {
  const admin = new Client({ connectionString: socketUrl })
  await admin.connect()
  await writeFile(join(dataDirectory, 'pg_hba.conf'), `local all ${admin.user} trust\nlocal all all scram-sha-256\n`)
  await admin.query('SELECT pg_reload_conf()')
  const password = 'contract-password'
  const { rowCount } = await admin.query(`SELECT 1 FROM pg_roles WHERE rolname = 'contract'`)
  if (rowCount === 0) await admin.query(`CREATE ROLE contract LOGIN CREATEROLE PASSWORD ${escapeLiteral(password)}`)
  const database = admin.database
  await admin.end()
  const guests = new Set<Socket>()
  const door = createServer(client => {
    guests.add(client)
    client.on('close', () => guests.delete(client))
    const server = connect(join(admin.host, '.s.PGSQL.5432'))
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy())
    client.pipe(server).pipe(client)
  })
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  const { port } = door.address() as AddressInfo
  return {
    url: `postgres://contract:${password}@127.0.0.1:${port}/${database}`,
    close: () => {
      for (const guest of guests) guest.destroy()
      return new Promise(resolve => door.close(() => resolve()))
    },
  }
}

/** The variables that scenarios find a PostgreSQL by. */
export function postgresVariables(url: string): Record<string, unknown> {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    pg_host: hostname,
    pg_port: port || '5432',
    pg_user: decodeURIComponent(username),
    pg_password: decodeURIComponent(password),
    pg_db: pathname.slice(1),
  }
}

/** Does PostgreSQL accept a login? */
export async function acceptsLogin(url: string, user: string, password: string): Promise<boolean> {
  const { hostname, port, pathname } = new URL(url)
  const client = new Client({ host: hostname, port: Number(port || 5432), database: pathname.slice(1), user, password })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch (error) {
    // 28…: it said no. Anything else is no answer to the question.
    if (String((error as { code?: unknown }).code).startsWith('28')) return false
    throw error
  } finally {
    await client.end().catch(() => undefined)
  }
}
