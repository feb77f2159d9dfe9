import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import { type Hold, HoldLost, updateRun } from './runs.ts'
import { notify } from './wakeups.ts'

export interface Chunk {
  /** `system`: said by us, not by the job. */
  readonly stream: 'stdout' | 'stderr' | 'system'
  readonly data: Buffer
}

export interface StoredChunk extends Chunk {
  readonly start: number
}

/**
 * Appends masked output and moves the raw position of both streams, in one transaction: after a crash exactly what is not
 * stored is read again. May be repeated when it is not known whether it came through: what is stored is not stored twice.
 * Throws `HoldLost`.
 */
export async function appendOutput(
  db: Database,
  hold: Hold,
  start: number,
  chunks: readonly Chunk[],
  raw: { stdout: number; stderr: number },
  masked: Record<string, number>,
): Promise<number> {
  let end = start
  const rows = chunks.map(chunk => {
    const row = { job_id: hold.id, start: end, stream: chunk.stream, data: chunk.data }
    end += chunk.data.byteLength
    return row
  })
  await db.transaction().execute(async tx => {
    const stored = await storedBytes(tx, hold)
    // the connection broke after COMMIT and before its answer: it is there
    if (stored === end && end > start) return
    if (stored !== start) throw new HoldLost(hold)
    await updateRun(tx, hold, {
      stdout_raw: raw.stdout,
      stderr_raw: raw.stderr,
      output_bytes: end,
      masked: JSON.stringify(masked),
    })
    if (rows.length > 0) await tx.insertInto('output').values(rows).execute()
    await notify(tx, 'job', hold.id)
  })
  return end
}

/** Appends lines of the system's own. They have their place in the output as followers count it. Throws `HoldLost`. */
export async function appendSystemOutput(db: Database, hold: Hold, data: Buffer): Promise<void> {
  await db.transaction().execute(async tx => {
    const start = await storedBytes(tx, hold)
    if (start === undefined) throw new HoldLost(hold)
    await updateRun(tx, hold, { output_bytes: start + data.byteLength })
    await tx.insertInto('output').values({ job_id: hold.id, start, stream: 'system', data }).execute()
    await notify(tx, 'job', hold.id)
  })
}

async function storedBytes(tx: Tx, { id, node, attempt }: Hold): Promise<number | undefined> {
  const row = await tx
    .selectFrom('jobs')
    .select('output_bytes')
    .where('id', '=', id)
    .where('node', '=', node)
    .where('attempt', '=', attempt)
    .forUpdate()
    .executeTakeFirst()
  return row?.output_bytes
}

/** Up to `limit` chunks from the one on that holds byte `offset`. */
export async function readOutput(db: Database, jobId: string, offset: number, limit: number): Promise<StoredChunk[]> {
  const { rows } = await sql<StoredChunk>`
    select start, stream, data from output
    where job_id = ${jobId}
      and start >= coalesce((select max(start) from output where job_id = ${jobId} and start <= ${offset}), 0)
    order by start limit ${limit}`.execute(db)
  return rows
}

/** The output of one stream, as far as it begins within the first `limit` bytes of both. */
export async function collectOutput(
  db: Database | Tx,
  jobId: string,
  stream: 'stdout' | 'stderr',
  limit: number,
): Promise<Buffer> {
  const rows = await db
    .selectFrom('output')
    .select('data')
    .where('job_id', '=', jobId)
    .where('stream', '=', stream)
    .where('start', '<', limit)
    .orderBy('start')
    .execute()
  return Buffer.concat(rows.map(row => row.data))
}

/** The beginning of the output of several jobs, as far as it begins within the first `limit` bytes of each. */
export async function collectBeginnings(
  db: Database,
  jobIds: readonly string[],
  limit: number,
): Promise<(Chunk & { readonly job_id: string })[]> {
  return await db
    .selectFrom('output')
    .select(['job_id', 'stream', 'data'])
    .where('job_id', 'in', jobIds)
    .where('start', '<', limit)
    .orderBy('job_id')
    .orderBy('start')
    .execute()
}
