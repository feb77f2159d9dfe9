import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'
import { createTestDatabase } from './database.ts'

/** A database that belongs to a role which nobody logs in as, and a Vault whose database engine makes members of it. */
export interface DatabaseEngine {
  /** `database/creds/…` */
  readonly path: string
  /** Without a user. */
  readonly url: string
  /** Of the superuser. */
  readonly adminUrl: string
  /** Names of the users that there are. */
  users(): Promise<string[]>
  /** Their passwords. */
  passwords(): Promise<string[]>
  /** Who has connections, by application. */
  sessions(): Promise<{ user: string; application: string }[]>
  sql(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Writes the role anew, with other lives or statements. */
  role(more: object): Promise<void>
  /** Ends all that was made, with all that is in the database. */
  drop(): Promise<void>
}

export async function makeDatabaseEngine(
  write: (path: string, body: object) => Promise<unknown>,
  given: object,
): Promise<DatabaseEngine> {
  const server = inject('databaseUrl')
  // of the role's name, eight characters are in those of its users
  const mark = `d${randomBytes(3).toString('hex')}`
  const owner = `owner_${mark}`
  const database = await createTestDatabase()
  const admin = new Client({ connectionString: database.url })
  await admin.connect()
  const sql = async (statement: string, values: unknown[] = []) => (await admin.query(statement, values)).rows
  const [{ name } = { name: '' }] = await sql('select current_database() as name')
  await sql(`create role ${owner} nologin`)
  await sql(`alter database ${name} owner to ${owner}`)
  await write('sys/mounts/database', { type: 'database' }).catch(() => {})
  await write(`database/config/${mark}`, {
    plugin_name: 'postgresql-database-plugin',
    connection_url: server,
    allowed_roles: ['*'],
  })
  const role = async (more: object) =>
    void (await write(`database/roles/${mark}`, {
      db_name: mark,
      creation_statements: [
        `create role "{{name}}" login password '{{password}}' valid until '{{expiration}}' in role ${owner}`,
        `alter role "{{name}}" set role ${owner}`,
        // for the tests, which look for it where it must not be
        `comment on role "{{name}}" is '{{password}}'`,
      ],
      revocation_statements: [
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '{{name}}'`,
        'drop role if exists "{{name}}"',
      ],
      ...more,
    }))
  await role(given)
  const users = async () =>
    (await sql(`select rolname from pg_roles where rolname like $1`, [`v-%-${mark}-%`])).map(row => String(row.rolname))
  return {
    path: `database/creds/${mark}`,
    // as postgres://app@/…, or with parameters
    url: database.url.replace(/\/\/[^/@]*@/, '//').replace(/([?&])user=[^&]*&?/, '$1'),
    adminUrl: database.url,
    users,
    passwords: async () =>
      (
        await sql(`select shobj_description(oid, 'pg_authid') as password from pg_roles where rolname like $1`, [
          `v-%-${mark}-%`,
        ])
      ).map(row => String(row.password)),
    sessions: async () =>
      (
        await sql(`select usename, application_name from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and application_name like 'writ%'`)
      ).map(row => ({
        user: String(row.usename),
        application: String(row.application_name),
      })),
    sql,
    role,
    drop: async () => {
      for (const user of await users()) await sql(`drop role if exists "${user}"`)
      await sql(`reassign owned by ${owner} to current_user`)
      await sql(`drop owned by ${owner}`)
      await sql(`alter database ${name} owner to current_user`)
      await sql(`drop role if exists ${owner}`)
      await admin.end()
      await database.drop()
    },
  }
}
