import { realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { codeOf, EmbeddedPostgresError } from './failure.ts'
import type { Home } from './home.ts'
import { socketUrl } from './socket.ts'

const KEY = 8_737_108_416 // any number that nothing else in this database locks
const PATIENCE_MS = 3_000

/** `pg` can let the process end while a session is open; its published types do not say so. */
export type Session = Client & { ref(): void; unref(): void }

/** What a try to connect found: a session, a server that is not ready (starting, recovering, stopping), or no server. */
export type Knock = Session | 'not ready' | 'nobody'

export async function knock(home: Home): Promise<Knock> {
  const client = new Client({
    connectionString: socketUrl(home.directory),
    application_name: `writ ${process.pid}`,
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => undefined) // the server may go away at any time; whoever queries next is told
  try {
    await client.connect()
    return client as Session
  } catch (error) {
    await client.end().catch(() => undefined)
    if (/^57P0\d$/.test(codeOf(error) ?? '')) return 'not ready' // 57P01: a shutdown that began while we connected
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')) return 'nobody'
    if (error instanceof Error && /terminated unexpectedly|timeout/.test(error.message)) return 'not ready'
    throw error
  }
}

/**
 * Marks the database as in use by this process, by an advisory lock that lives exactly as long as the session: unlike a lock
 * file it cannot outlive a killed process. `shared` claims live beside each other, any other claim is alone.
 *
 * @throws {EmbeddedPostgresError} when another living process has it, or when another server answers
 */
export async function claim(home: Home, client: Client, shared: boolean): Promise<void> {
  const { rows } = await client.query('select current_setting($1) as data', ['data_directory'])
  if ((await realpath(rows[0].data).catch(() => undefined)) !== home.data) {
    throw new EmbeddedPostgresError(
      `The PostgreSQL that answers in ${home.directory} runs on ${rows[0].data}. End it first.`,
    )
  }
  const lock = shared ? 'pg_try_advisory_lock_shared' : 'pg_try_advisory_lock'
  // the session of a server that was just killed takes a moment to end
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(50)) {
    const tried = await client.query(`select ${lock}($1) as locked`, [KEY])
    if (tried.rows[0].locked) return
  }
  const users = await client.query(
    `select distinct application_name as name from pg_stat_activity where pid <> pg_backend_pid() and application_name ~ '^writ \\d+$'`,
  )
  const others = users.rows.map(row => row.name.slice(5)).join(', ')
  throw new EmbeddedPostgresError(
    `Another writ${others && ` (process ${others})`} uses the database in ${home.directory}. End it, or name another folder.`,
  )
}

/** Gives the claim up; true when nobody else has one, and nobody can get one while this session lives. */
export async function isLast(client: Client, shared: boolean): Promise<boolean> {
  if (shared) await client.query('select pg_advisory_unlock_shared($1)', [KEY])
  const tried = await client.query('select pg_try_advisory_lock($1) as locked', [KEY])
  return tried.rows[0].locked
}
