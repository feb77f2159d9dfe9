import { WritError } from '../../protocol/errors.ts'
import { isFinal, type JobList, type JobState, type ListQuery, type QueueList } from '../../protocol/job.ts'
import { wireTime } from '../../protocol/wire-time.ts'
import { capabilities } from '../../vault/capabilities.ts'
import {
  countJobs,
  type JobFilter,
  type ListedJob,
  listJobs,
  type Position,
  queueDepths,
  queueNames,
} from '../store/job-list.ts'
import { collectBeginnings } from '../store/output.ts'
import { asUnavailable, type Caller, queuePath } from './caller.ts'
import type { Engine } from './engine.ts'
import { answerOf, NOTHING, type ShownOutput, shown } from './read.ts'

/** GoStint's page size, which its clients count on (gostint.md §2.7). */
const PAGE = 10
/** How far `total` is counted beyond the page. */
const COUNTED = 1_000
/** How much of each job's output a list shows. */
const SHOWN_BYTES = 16 * 1024

/** One page of the jobs that the caller may read, newest first. Throws `query_invalid`, `vault_unavailable`. */
export async function listVisibleJobs(engine: Engine, caller: Caller, query: ListQuery): Promise<JobList> {
  const { skip = 0, limit = PAGE } = query
  const after = query.cursor === undefined ? null : decodeCursor(query.cursor)
  if (after && skip > 0) throw new WritError('query_invalid', 'skip and cursor exclude each other')
  const filter = await visible(engine, caller, query)
  const most = skip + limit + COUNTED
  // one more than is shown tells whether there is a next page
  const [found, total] = await Promise.all([
    listJobs(engine.db, filter, { skip, limit: limit + 1, after }),
    countJobs(engine.db, filter, most + 1),
  ])
  const jobs = found.slice(0, limit)
  const last = jobs.at(-1)
  const outputs = await beginnings(engine, jobs)
  return {
    data: jobs.map(job => answerOf(job, outputs.get(job.id) ?? NOTHING)),
    skip,
    limit,
    total: Math.min(total, most),
    total_exact: total <= most,
    next: last && found.length > limit ? encodeCursor(last) : '',
  }
}

/** The queues that the caller may read by policy: how much waits and runs, and since when. */
export async function listQueues(engine: Engine, caller: Caller): Promise<QueueList> {
  const depths = new Map((await queueDepths(engine.db)).map(depth => [depth.qname, depth]))
  const names = await readableQueues(engine, caller, await queueNames(engine.db))
  const data = names.map(qname => {
    const { waiting = 0, running = 0, oldest = null } = depths.get(qname) ?? {}
    return { qname, waiting, running, oldest: wireTime(oldest) }
  })
  return { data }
}

async function visible(engine: Engine, caller: Caller, query: ListQuery): Promise<JobFilter> {
  const qname = query.qname?.toLowerCase() ?? null
  const names = qname === null ? await queueNames(engine.db) : [qname]
  return {
    qnames: await readableQueues(engine, caller, names),
    entity: caller.entity,
    accessorHash: caller.accessorHash,
    qname,
    states: query.status === undefined ? null : (query.status.split(',') as JobState[]),
    since: query.since === undefined ? null : timeOf(query.since),
  }
}

/** RFC 3339 has leap seconds, and a Date has none. */
function timeOf(text: string): Date {
  const time = new Date(text.replace(/:60(?=[.Zz+-])/, ':59'))
  if (Number.isNaN(time.getTime())) throw new WritError('query_invalid', 'since is no time')
  return time
}

/** Vault is asked for so many queues at once. */
const ASKED = 1_000

async function readableQueues(engine: Engine, caller: Caller, qnames: readonly string[]): Promise<string[]> {
  const readable: string[] = []
  try {
    for (let start = 0; start < qnames.length; start += ASKED) {
      const asked = qnames.slice(start, start + ASKED)
      const granted = await capabilities(engine.vault, caller.token, asked.map(queuePath))
      readable.push(...asked.filter((_, index) => granted[index]?.some(power => power === 'read' || power === 'root')))
    }
  } catch (error) {
    throw asUnavailable(error)
  }
  return readable
}

async function beginnings(engine: Engine, jobs: readonly ListedJob[]): Promise<Map<string, ShownOutput>> {
  // the beginning of an age file is of no use to anybody
  const ended = jobs.filter(job => isFinal(job.status) && job.output_bytes > 0 && !job.result_key)
  if (ended.length === 0) return new Map()
  const ids = ended.map(job => job.id)
  const chunks = Map.groupBy(await collectBeginnings(engine.db, ids, SHOWN_BYTES), chunk => chunk.job_id)
  const outputs = new Map<string, ShownOutput>()
  for (const job of ended) {
    let room = SHOWN_BYTES
    const head = (chunks.get(job.id) ?? []).map(({ stream, data }) => {
      const beginning = data.subarray(0, room)
      room -= beginning.byteLength
      return { stream, data: beginning }
    })
    outputs.set(job.id, await shown(job, { head, tail: [], missing: Math.max(0, job.output_bytes - SHOWN_BYTES) }))
  }
  return outputs
}

function encodeCursor({ micros, seq }: Position): string {
  return Buffer.from(`${micros}.${seq}`).toString('base64url')
}

function decodeCursor(cursor: string): Position {
  const [, micros, seq] = /^(\d{1,16})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (micros === undefined || seq === undefined)
    throw new WritError('query_invalid', 'cursor is not one of ours: use `next` of the page before')
  return { micros: Number(micros), seq: Number(seq) }
}
