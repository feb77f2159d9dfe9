import { listAudit } from '../../server/audit/list.ts'
import { verifyAudit } from '../../server/audit/verify.ts'
import { type Database, openDatabase } from '../../server/store/database.ts'
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
  const db = openDatabase(url, () => {})
  try {
    return await action(db)
  } finally {
    await db.destroy()
  }
}
