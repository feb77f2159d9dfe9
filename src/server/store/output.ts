import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { Job } from './jobs.ts'
import { PLANNED_ONCE } from './pg-client.ts'
import { type Hold, HoldLost, updateRun } from './runs.ts'
import { notify, wakeup } from './wakeups.ts'

export interface Chunk {
  /** `system`: said by us, not by the job. */
  readonly stream: 'stdout' | 'stderr' | 'system'
  readonly data: Buffer
}

export interface StoredChunk extends Chunk {
  readonly start: number
}

/** How far a job's output came, and what of it is kept. Offsets count the stored bytes of both streams in their order. */
export interface Stored {
  readonly output_bytes: number
  /** From here to `tail_start` it is left out; null while everything fits into the head. */
  readonly head_end: number | null
  readonly tail_start: number | null
}

/** What goes into the database at once. */
export interface Batch {
  /** None larger than an eighth of the limit: whole chunks are kept or left out. */
  readonly chunks: readonly Chunk[]
  readonly raw: { readonly stdout: number; readonly stderr: number }
  readonly masked: Readonly<Record<string, number>>
  /** Bytes that are kept: one half at the beginning, the other one at the end. */
  readonly limit: number
  /** Some of the output may be missing, here or before. */
  readonly gap?: boolean
}

/** PostgreSQL takes 65,535 values in a statement. */
const ROWS = 8_000

/**
 * Appends masked output and moves the position of both streams, in one transaction: after a crash exactly what is not stored is
 * read again. Behind the head, old chunks go as new ones come. May be repeated when it is not known whether it came through:
 * what is stored is not stored twice. Throws `HoldLost`.
 */
export async function appendOutput(db: Database, hold: Hold, before: Stored, batch: Batch): Promise<Stored> {
  return (await appendAtOnce(db, hold, before, batch)) ?? (await appendInSteps(db, hold, before, batch))
}

/**
 * The usual case, in which nothing has to go, as one statement: whoever follows waits for each of them. Null: it is another case, and
 * nothing was changed.
 */
async function appendAtOnce(db: Database, hold: Hold, before: Stored, batch: Batch): Promise<Stored | null> {
  const { rows, after, until } = placed(before, batch)
  if (until !== null || rows.length === 0 || rows.length > ROWS) return null
  const values = rows.map(row => sql`(${row.start}::bigint, ${row.stream}::text, ${row.data}::bytea)`)
  const { rows: told } = await sql`
    with moved as (
      update jobs set output_bytes = ${after.output_bytes}, head_end = ${after.head_end}, tail_start = ${after.tail_start},
        stdout_raw = ${batch.raw.stdout}, stderr_raw = ${batch.raw.stderr}, masked = ${JSON.stringify(batch.masked)},
        output_gap = output_gap or ${batch.gap ?? false}
      where id = ${hold.id} and node = ${hold.node} and attempt = ${hold.attempt} and status in ('running', 'stopping')
        and output_bytes = ${before.output_bytes}
      returning id),
    stored as (
      insert into output (job_id, start, stream, data)
      select moved.id, piece.* from moved, (values ${sql.join(values)}) as piece (start, stream, data))
    select pg_notify('writ', ${wakeup('job', hold.id)}) from moved`.execute(db)
  return told.length === 1 ? after : null
}

async function appendInSteps(db: Database, hold: Hold, before: Stored, batch: Batch): Promise<Stored> {
  const end = batch.chunks.reduce((sum, chunk) => sum + chunk.data.byteLength, before.output_bytes)
  return await db.transaction().execute(async tx => {
    const known = await lockStored(tx, hold)
    // the connection broke after COMMIT and before its answer: it is there
    if (known && known.output_bytes === end && end > before.output_bytes) return known
    if (known?.output_bytes !== before.output_bytes) throw new HoldLost(hold)
    const after = await append(tx, hold, known, batch)
    await updateRun(tx, hold, {
      ...after,
      stdout_raw: batch.raw.stdout,
      stderr_raw: batch.raw.stderr,
      masked: JSON.stringify(batch.masked),
      ...(batch.gap ? { output_gap: true } : {}),
    })
    await notify(tx, 'job', hold.id)
    return after
  })
}

/** Appends lines of the system's own. They have their place in the output as followers count it. Throws `HoldLost`. */
export async function appendSystemOutput(db: Database, hold: Hold, data: Buffer): Promise<void> {
  await db.transaction().execute(async tx => {
    const known = await lockStored(tx, hold)
    if (!known) throw new HoldLost(hold)
    const chunks = [{ stream: 'system', data } as const]
    await updateRun(tx, hold, await append(tx, hold, known, { chunks, limit: known.output_limit }))
    await notify(tx, 'job', hold.id)
  })
}

interface Placed {
  readonly rows: readonly (Chunk & { readonly start: number })[]
  /** As it is if nothing has to go. */
  readonly after: Stored
  /** What is behind the head and before this goes; null: nothing does. */
  readonly until: number | null
}

/** Where the chunks come. */
function placed(before: Stored, { chunks, limit }: Pick<Batch, 'chunks' | 'limit'>): Placed {
  let end = before.output_bytes
  const rows = chunks.map(chunk => {
    const row = { start: end, stream: chunk.stream, data: chunk.data }
    end += chunk.data.byteLength
    return row
  })
  const half = Math.floor(limit / 2)
  const headEnd = before.head_end ?? rows.find(row => row.start + row.data.byteLength > half)?.start ?? null
  const tailStart = headEnd === null ? null : (before.tail_start ?? headEnd)
  // what the head does not use is the tail's
  const until = end - (limit - (headEnd ?? 0))
  const after = { output_bytes: end, head_end: headEnd, tail_start: tailStart }
  return { rows, after, until: tailStart === null || tailStart >= until ? null : until }
}

async function append(tx: Tx, hold: Hold, before: Stored, batch: Pick<Batch, 'chunks' | 'limit'>): Promise<Stored> {
  const { rows, after, until } = placed(before, batch)
  for (let at = 0; at < rows.length; at += ROWS) {
    const values = rows.slice(at, at + ROWS).map(row => ({ ...row, job_id: hold.id }))
    await tx.insertInto('output').values(values).execute()
  }
  if (until === null) return after
  return { ...after, tail_start: (await cut(tx, hold, after.tail_start ?? 0, until)) ?? after.output_bytes }
}

/** Takes away what is stored from `tailStart` to `until`, in whole chunks; answers where the tail begins now, null if nothing is left. */
async function cut(tx: Tx, hold: Hold, tailStart: number, until: number): Promise<number | null> {
  // not from the head's end on: what was deleted there before would be passed again and again until the next vacuum
  await sql`delete from output where job_id = ${hold.id} and start >= ${tailStart} and start < ${until}`.execute(tx)
  const { rows } = await sql<{ start: number | null }>`
    select min(start) as start from output where job_id = ${hold.id} and start >= ${until}`.execute(tx)
  return rows[0]?.start ?? null
}

async function lockStored(
  tx: Tx,
  { id, node, attempt }: Hold,
): Promise<(Stored & { output_limit: number }) | undefined> {
  return await tx
    .selectFrom('jobs')
    .select(['output_bytes', 'head_end', 'tail_start', 'output_limit'])
    .where('id', '=', id)
    .where('node', '=', node)
    .where('attempt', '=', attempt)
    .forUpdate()
    .executeTakeFirst()
}

/** A reader holds about so many bytes and rows at once. */
const PAGE = { bytes: 256 * 1024, rows: 500 }

/** Chunks from the one on that holds byte `offset`, or the next one if that byte is not kept; empty when there are none. */
export async function readOutput(db: Database, jobId: string, offset: number): Promise<StoredChunk[]> {
  const { rows } = await sql<StoredChunk>`${PLANNED_ONCE}
    with before as (
      select start, start + octet_length(data) as until from output
      where job_id = ${jobId} and start <= ${offset} order by start desc limit 1),
    first as (
      select coalesce(
        (select start from before where until > ${offset}),
        (select min(start) from output where job_id = ${jobId} and start > ${offset})) as start)
    select start, stream, data from output
    where job_id = ${jobId} and start >= (select start from first) and start < (select start from first) + ${PAGE.bytes}::bigint
    order by start limit ${PAGE.rows}`.execute(db)
  return rows
}

/** The state of a job as its followers need it. */
export async function readState(
  db: Database,
  jobId: string,
): Promise<Pick<Job, 'status' | 'return_code' | 'output_bytes'> | undefined> {
  return await db
    .selectFrom('jobs')
    .select(['status', 'return_code', 'output_bytes'])
    .where('id', '=', jobId)
    .executeTakeFirst()
}

export interface OutputEnds {
  readonly head: readonly Chunk[]
  readonly tail: readonly Chunk[]
  /** Bytes between the two. */
  readonly missing: number
}

/** Beginning and end of an output, about `limit` bytes in all. */
export async function outputEnds(
  db: Database,
  { id, output_bytes, head_end, tail_start }: Stored & Pick<Job, 'id'>,
  limit: number,
): Promise<OutputEnds> {
  const kept = output_bytes - ((tail_start ?? 0) - (head_end ?? 0))
  const from = Math.min(head_end ?? output_bytes, kept > limit ? limit / 2 : output_bytes)
  const to = Math.max(tail_start ?? from, kept > limit ? output_bytes - limit / 2 : 0)
  const { rows } = await sql<StoredChunk>`
    select start, stream, data from output where job_id = ${id} and (start < ${from} or start >= ${to})
    order by start`.execute(db)
  const head = rows.filter(row => row.start < from)
  const tail = rows.filter(row => row.start >= from)
  const last = head.at(-1)
  const begun = last ? last.start + last.data.byteLength : 0
  return { head, tail, missing: (tail[0]?.start ?? output_bytes) - begun }
}

/** The beginning of the output of several jobs, as far as it begins within the first `limit` bytes of each. */
export async function collectBeginnings(
  db: Database,
  jobIds: readonly string[],
  limit: number,
): Promise<(Chunk & { readonly job_id: string })[]> {
  return await db
    .selectFrom('output')
    .select(['job_id', 'stream', sql<Buffer>`substring(data from 1 for ${limit})`.as('data')])
    .where('job_id', 'in', jobIds)
    .where('start', '<', limit)
    .orderBy('job_id')
    .orderBy('start')
    .execute()
}
