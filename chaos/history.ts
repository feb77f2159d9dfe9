import { sql } from 'kysely'
import { isFinal } from '../src/protocol/job.ts'
import type { AuditAction } from '../src/server/audit/audit.ts'
import { verifyAudit } from '../src/server/audit/verify.ts'
import type { Database } from '../src/server/store/database.ts'
import type { Job } from '../src/server/store/jobs.ts'
import type { Expected } from './load.ts'
import type { Starts } from './starts.ts'

/** Ends that a crash at the wrong moment may give an honest job. Everything else is a defect. */
const HONEST = new Set(['container_lost', 'engine_lost', 'exit_code_lost'])

/** How a job ends whose container was ended by its engine, which does so when it ends itself and is not told to keep them. */
const BY_ENGINE = new Set([137, 143])

/** Reads what is on record and what the engine saw, and says everything that breaks a promise, a line each. */
export async function checkHistory(
  db: Database,
  accepted: readonly Expected[],
  starts: Starts,
  { engineRestarts = false } = {},
): Promise<string[]> {
  const jobs = await db.selectFrom('jobs').selectAll().orderBy('seq').execute()
  const byId = new Map(jobs.map(job => [job.id, job]))
  const ends = await onRecord(db, 'job.ended')
  const notBegun = await onRecord(db, 'job.not_begun')
  const containers = await containersOnRecord(db)
  const found: string[] = []
  for (const { id } of accepted) if (!byId.has(id)) found.push(`${id} was accepted and is not there`)
  for (const job of jobs) {
    const say = (text: string) => found.push(`${job.id} (${job.qname}, ${job.status} ${job.error_code}): ${text}`)
    if (!isFinal(job.status)) say('has not ended')
    if (ends.get(job.id) !== 1) say(`has ${ends.get(job.id) ?? 0} ends on record`)
    // each that is known to have ended before its job began may be followed by one more
    const most = 1 + (notBegun.get(job.id) ?? 0)
    const started = starts.of(job.id, containers.get(job.id))
    if (started > most) say(`a container was started ${started} times, ${most} at most`)
    if (job.status === 'success' && started < 1) say('success, and no start was seen')
    if (job.error_code === 'internal') say(job.error_text)
  }
  for (const expected of accepted) {
    const job = byId.get(expected.id)
    if (job) found.push(...(await wrongOutput(db, job, { ...expected, engineRestarts })))
  }
  found.push(...wrongOrder(jobs, starts))
  const { brokenAt } = await verifyAudit(db)
  if (brokenAt !== null) found.push(`the audit trail is broken at ${brokenAt}`)
  return found
}

async function onRecord(db: Database, action: AuditAction): Promise<Map<string, number>> {
  const { rows } = await sql<{ job: string; times: number }>`
    select job_id as job, count(*) as times from audit
    where entry::jsonb->>'action' = ${action} group by job_id`.execute(db)
  return new Map(rows.map(row => [row.job, row.times]))
}

/** Those that each job was to begin in. */
async function containersOnRecord(db: Database): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ job: string; containers: string[] }>`
    select job_id as job, array_agg(entry::jsonb#>>'{detail,container}') as containers from audit
    where entry::jsonb->>'action' = 'job.starting' group by job_id`.execute(db)
  return new Map(rows.map(row => [row.job, row.containers]))
}

async function wrongOutput(
  db: Database,
  job: Job,
  { id, lines, code, killed, engineRestarts }: Expected & { engineRestarts: boolean },
): Promise<string[]> {
  const chunks = await db
    .selectFrom('output')
    .select('data')
    .where('job_id', '=', id)
    .where('stream', '=', 'stdout')
    .orderBy('start')
    .execute()
  const stdout = Buffer.concat(chunks.map(({ data }) => data)).toString()
  const whole = Array.from({ length: lines }, (_, n) => `line ${n + 1}\n`).join('')
  const label = `${id} (${job.status} ${job.error_code} ${job.return_code})`
  // an engine that was there all the time has lost nothing, whatever its jobs say
  const gap = engineRestarts && job.output_gap
  const right = gap ? inOrder(stdout, lines) : whole.startsWith(stdout)
  if (!right) return [`${label}: lines lost or doubled: ${firstBreak(stdout)}`]
  if (job.error_code === 'job_killed' && killed) return []
  if (HONEST.has(job.error_code)) return []
  if (engineRestarts && job.error_code === '' && BY_ENGINE.has(job.return_code)) return []
  const good = job.error_code === '' && job.return_code === code && job.status === (code === 0 ? 'success' : 'failed')
  if (!good) return [`${label}: should have ended with ${code}: ${job.error_text}`]
  return stdout === whole || gap ? [] : [`${label}: the output has ${stdout.split('\n').length - 1} of ${lines} lines`]
}

/** An output that says that some of it may be missing: nothing twice, nothing out of its place, no half of a line. */
function inOrder(stdout: string, lines: number): boolean {
  const numbers = stdout.split(/(?<=\n)/).map(line => Number(/^line ([1-9]\d*)\n$/.exec(line)?.[1]))
  return stdout === '' || numbers.every((number, i) => number <= lines && number > (numbers[i - 1] ?? 0))
}

/** Where the numbers of the lines first do not follow each other. */
function firstBreak(stdout: string): string {
  const lines = stdout.split('\n')
  const at = lines.findIndex((line, n) => line !== `line ${n + 1}`)
  return JSON.stringify(lines.slice(Math.max(0, at - 2), at + 3))
}

function wrongOrder(jobs: readonly Job[], starts: Starts): string[] {
  const found: string[] = []
  const seen = new Map(starts.order.map((id, index) => [id, index]))
  for (const [qname, queue] of Map.groupBy(jobs, job => job.qname)) {
    let before: Job | undefined
    let startedLast = -1
    for (const job of queue) {
      if (before && job.started_at && before.ended_at && job.started_at < before.ended_at) {
        found.push(`${qname}: ${job.id} began before ${before.id} ended`)
      }
      if (job.started_at) before = job
      const index = seen.get(job.id)
      if (index === undefined) continue
      if (index < startedLast) found.push(`${qname}: the container of ${job.id} was started before an earlier one`)
      startedLast = index
    }
  }
  return found
}
