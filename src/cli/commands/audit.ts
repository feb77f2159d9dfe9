import { WritError } from '../../protocol/errors.ts'
import { listAudit } from '../../server/audit/list.ts'
import { verifyAudit } from '../../server/audit/verify.ts'
import { namesUser, vaultPath } from '../../server/config-values.ts'
import { type Database, openDatabase } from '../../server/store/database.ts'
import type { DatabaseAddress, Login } from '../../server/store/logins.ts'
import { readDatabaseCredentials } from '../../vault/database.ts'
import { revokeLease } from '../../vault/leases.ts'
import { clientSettings, findToken, MISSING, vaultOf } from '../client-settings.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, printTable, progress } from '../print.ts'

export interface AuditOptions {
  readonly json?: boolean
}

/** Recomputes the hash chain of the audit trail, from the database itself. Exit code 1 when it is broken. */
export async function auditVerify(options: AuditOptions): Promise<number> {
  return await withDatabase(async db => {
    const verdict = await verifyAudit(db)
    const whole = verdict.brokenAt === null
    if (options.json) printJson(verdict)
    else if (whole) process.stdout.write(`whole: ${verdict.entries} entries, the newest hash is ${verdict.head}\n`)
    else process.stdout.write(`BROKEN at entry ${verdict.brokenAt}: it, or one before it, was changed or removed\n`)
    if (whole) progress('keep the newest hash elsewhere: with it, nobody can rewrite the trail from there on unseen')
    return whole ? EXIT.ok : EXIT.failed
  })
}

/** What the audit trail says of a job. */
export async function auditShow(id: string, options: AuditOptions): Promise<number> {
  return await withDatabase(async db => {
    const entries = await listAudit(db, id)
    if (options.json) printJson(entries)
    else {
      const rows = entries.map(({ at, action, actor, detail }) => [at, action, actor, JSON.stringify(detail ?? {})])
      printTable(rows, ['AT', 'ACTION', 'BY', 'DETAIL'])
    }
    return EXIT.ok
  })
}

async function withDatabase(action: (db: Database) => Promise<number>): Promise<number> {
  const url = process.env.DATABASE_URL
  if (!url)
    throw new UsageError(
      'DATABASE_URL is not set: the trail is read from the database itself, not through the server',
      'Run it where the server runs, with the settings of the server.',
    )
  const path = process.env.WRIT_DATABASE_CREDS ?? ''
  if (!path) return await withAddress(url, action)
  return await withLogin(path, url, async login => {
    const logins = { current: () => login, onChange: () => {}, refused: async () => false }
    return await withAddress({ url, logins }, action)
  })
}

async function withAddress(address: DatabaseAddress, action: (db: Database) => Promise<number>): Promise<number> {
  const db = openDatabase(address, () => {})
  try {
    return await action(db)
  } finally {
    await db.destroy()
  }
}

/** A user of the database for as long as it takes, read with the token of whoever asks: the server's own is the server's. */
async function withLogin(path: string, url: string, action: (login: Login) => Promise<number>): Promise<number> {
  if (namesUser(url)) throw new UsageError('WRIT_DATABASE_CREDS is set, and DATABASE_URL names a user or password')
  const settings = await clientSettings()
  const token = await findToken()
  if (!settings.vault || !token) {
    const missing = [...(settings.vault ? [] : [MISSING.vault]), ...(token ? [] : [MISSING.token])]
    throw new UsageError(missing.join('\n'), `They are for reading ${path} (WRIT_DATABASE_CREDS).`)
  }
  const vault = await vaultOf(settings, settings.vault)
  try {
    const found = await readDatabaseCredentials(vault, token, pathOf(path))
    if (!found) throw new WritError('store_credentials_unavailable', `${path} answers no username and password`)
    try {
      return await action(found)
    } finally {
      // who may read it need not be allowed to: then it ends by itself
      if (found.lease.id) await revokeLease(vault, token, found.lease.id).catch(() => {})
    }
  } finally {
    await vault.close()
  }
}

function pathOf(path: string): string {
  try {
    return vaultPath(path)
  } catch (error) {
    throw new UsageError(`WRIT_DATABASE_CREDS ${(error as Error).message}`)
  }
}
