import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { WritError } from '../../protocol/errors.ts'
import { type DatabaseAddress, withLogin } from './logins.ts'
import * as jobs from './migrations/001-jobs.ts'
import * as audit from './migrations/002-audit.ts'
import * as leases from './migrations/003-leases.ts'
import * as output from './migrations/004-output.ts'
import * as gateUses from './migrations/005-gate-uses.ts'
import * as watches from './migrations/006-watches.ts'
import * as http from './migrations/007-http.ts'
import * as containers from './migrations/008-containers.ts'
import * as limits from './migrations/009-limits.ts'
import * as claims from './migrations/013-claims.ts'
import * as auditHead from './migrations/016-audit-head.ts'
import * as watchFailures from './migrations/021-watch-failures.ts'
import * as watchEffects from './migrations/022-watch-effects.ts'
import * as watchNames from './migrations/023-watch-names.ts'
import * as kubernetes from './migrations/030-kubernetes.ts'
import * as watchNamespace from './migrations/031-watch-namespace.ts'
import * as outputGap from './migrations/033-output-gap.ts'
import * as stoppedForOutput from './migrations/034-stopped-for-output.ts'
import * as accept from './migrations/035-accept.ts'
import * as dueTokens from './migrations/040-due-tokens.ts'
import * as nodes from './migrations/041-nodes.ts'
import { PgClient, type PgClientConfig } from './pg-client.ts'
import { RotatingPool } from './rotating-pool.ts'
import type { Tables } from './schema.ts'

export type Database = Kysely<Tables>
export type Tx = Transaction<Tables>

/** For a connection that is free, or is made. */
const CONNECT_MS = 5_000
const HURRIED_MS = 2_000

type Patience = Pick<PgClientConfig, 'silenceMs' | 'hurry'>

/** Opens a pool on PostgreSQL 15 to 18. No query waits without end (`PgClient`). `onError` hears of connections that break, which is no reason to die. */
export function openDatabase(
  address: DatabaseAddress,
  onError: (error: Error) => void,
  options: Patience = {},
): Database {
  const pool =
    typeof address === 'string'
      ? openPool(address, PgClient, onError, options)
      : new RotatingPool(address.logins, login => {
          const { url } = address
          // the options of a pool can be printed: the password goes from here to its clients, which hide it
          const Client = class extends PgClient {
            constructor(config: PgClientConfig) {
              super({ ...config, connectionString: withLogin(url, login) })
            }
          }
          return openPool(url, Client, onError, options)
        })
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}

function openPool(
  url: string,
  Client: typeof PgClient,
  onError: (error: Error) => void,
  { silenceMs, hurry }: Patience,
): pg.Pool {
  const settings: pg.PoolConfig & PgClientConfig = {
    connectionString: url,
    max: 10,
    application_name: 'writ',
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    types: { getTypeParser },
    silenceMs,
    hurry,
    Client,
  }
  const pool = new pg.Pool(settings)
  Object.defineProperty(pool.options, 'connectionTimeoutMillis', {
    enumerable: true,
    get: () => (hurry?.aborted ? HURRIED_MS : CONNECT_MS),
  })
  // the pool listens to a connection while it is idle only: one that broke within a transaction would end the process
  pool.on('connect', client => client.on('error', onError))
  pool.on('error', () => {})
  return pool
}

const INT8 = 20
/** int8 as numbers: our counters stay far below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary') {
  return oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
}

const MIGRATIONS = {
  '001-jobs': { up: jobs.up },
  '002-audit': { up: audit.up },
  '003-leases': { up: leases.up },
  '004-output': { up: output.up },
  '005-gate-uses': { up: gateUses.up },
  '006-watches': { up: watches.up },
  '007-http': { up: http.up },
  '008-containers': { up: containers.up },
  '009-limits': { up: limits.up },
  '013-claims': { up: claims.up },
  '016-audit-head': { up: auditHead.up },
  '021-watch-failures': { up: watchFailures.up },
  '022-watch-effects': { up: watchEffects.up },
  '023-watch-names': { up: watchNames.up },
  '030-kubernetes': { up: kubernetes.up },
  '031-watch-namespace': { up: watchNamespace.up },
  '033-output-gap': { up: outputGap.up },
  '034-stopped-for-output': { up: stoppedForOutput.up },
  '035-accept': { up: accept.up },
  '040-due-tokens': { up: dueTokens.up },
  '041-nodes': { up: nodes.up },
}

/** Brings the schema up to date. Safe when several nodes start at once: the migrator locks in the database. */
export async function migrate(db: Database): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
  })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}

/** Made with the database: tells its servers' containers from those of others on the same engine. */
export async function installationId(db: Database): Promise<string> {
  return (await db.selectFrom('installation').select('id').executeTakeFirstOrThrow()).id
}

/** Is the database there, and does it take what is written? Throws `store_unavailable`. */
export async function checkStore(db: Database): Promise<void> {
  try {
    const { rows } = await sql<{ on: string }>`select current_setting('transaction_read_only') as on`.execute(db)
    if (rows[0]?.on === 'on') throw new Error('it takes no writes')
  } catch (cause) {
    throw new WritError('store_unavailable', undefined, { cause })
  }
}
