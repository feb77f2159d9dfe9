import type { Logger } from 'pino'
import { ConfigError } from './config.ts'
import type { GateConfig } from './gate-config.ts'
import type { DatabaseLogin, DatabaseLoginParts } from './identity/database-login.ts'
import type { Identity } from './identity/identity.ts'
import type { Closers } from './opened.ts'
import type { Database } from './store/database.ts'
import type { Logins } from './store/logins.ts'

/** Null: the address of the database says who we are. Else the gate logs in to Vault before it listens, as a server does. */
export async function loginsOf(
  { values, credentials }: GateConfig,
  parts: Pick<DatabaseLoginParts, 'vault' | 'log'> & { identity: Identity },
  closers: Closers,
): Promise<DatabaseLogin | null> {
  const { databaseUrl, databaseCreds: path } = values
  if (!databaseUrl || !path) return null
  if (!credentials)
    throw new ConfigError([
      'WRIT_DATABASE_CREDS needs a gate that logs in to Vault by itself: set WRIT_ROLE_ID and WRIT_SECRET_ID_FILE, or another of its credentials',
    ])
  const { DatabaseLogin } = await import('./identity/database-login.ts')
  const logins = new DatabaseLogin({ ...parts, path })
  closers.push(() => logins.close())
  await parts.identity.start()
  await logins.start()
  return logins
}

/** Loaded only where there is a database: a gate without one is small. */
export async function openStore(
  { values: { databaseUrl: url } }: GateConfig,
  logins: Logins | null,
  log: Logger,
  closers: Closers,
): Promise<Database | null> {
  if (!url) return null
  const { migrate, openDatabase } = await import('./store/database.ts')
  const address = logins ? { url, logins } : url
  const ending = new AbortController()
  const report = (error: Error) => log.warn({ err: error }, 'a database connection broke')
  const db = openDatabase(address, report, { hurry: ending.signal })
  closers.push(async () => {
    ending.abort()
    await db.destroy()
  })
  await migrate(db)
  return db
}
