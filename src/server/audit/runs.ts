import { type RawBuilder, sql } from 'kysely'
import type { Database, Tx } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import { PLANNED_ONCE } from '../store/pg-client.ts'
import type { Hold, Outcome } from '../store/runs.ts'
import { payloads, wakeup } from '../store/wakeups.ts'
import type { AuditAction } from './audit.ts'

/*
 * What happens to runs, with its entries in the trail: many runs in one statement, which is a transaction by itself. So the head of
 * the trail is locked for as long as the database works, and not until a busy client says COMMIT (ADR 10). Each run is fenced by
 * itself: true for those that were still held. All lock in one order, so that no two wait for each other: jobs by id, queues by
 * name, the head of the trail.
 */

export interface Starting {
  readonly hold: Hold
  readonly containerId: string
  readonly imageDigest: string
  /** Values to mask, encrypted: whoever takes over masks as we do (ADR 5). */
  readonly sealedMasks: string
}

/**
 * The last gate before a container starts: true if this node still holds the job and nobody wants it killed. From here on it counts
 * as possibly started.
 */
export async function startRuns(db: Database | Tx, runs: readonly Starting[]): Promise<boolean[]> {
  const { rows } = await sql<Done>`${PLANNED_ONCE}
    with named as (
      select * from unnest(${ids(runs)}::text[], ${nodes(runs)}::text[], ${attempts(runs)}::int[],
        ${runs.map(run => run.containerId)}::text[], ${runs.map(run => run.imageDigest)}::text[],
        ${runs.map(run => run.sealedMasks)}::text[]) as named(id, node, attempt, container, digest, masks)),
    held as materialized (
      select jobs.id, container, digest, masks from jobs join named using (id, node, attempt)
      where status = 'running' and not kill_requested order by jobs.id for update of jobs),
    started as (
      update jobs set stage = 'starting', container_id = container, image_digest = digest, sealed_masks = masks,
        run_until = clock_timestamp() + run_seconds * interval '1 second'
      from held where jobs.id = held.id returning jobs.id, attempt, node, container_id),
    recorded as (
      insert into audit (entry)
      select (${entry('job.starting')} || jsonb_build_object('detail', jsonb_build_object('container', container_id)))::text
      from started order by id)
    select id, attempt from started`.execute(db)
  return inOrder(runs, rows).map(row => row !== undefined)
}

export interface Ending {
  readonly hold: Hold
  readonly outcome: Outcome
}

export type Ended = Pick<Job, 'id' | 'attempt' | 'submitted_at' | 'started_at' | 'output_bytes'> & {
  readonly ended_at: Date
}

/**
 * The one end of each run; undefined where it is not held any more. What was kept sealed for the run is erased with it. All nodes are told but the one that
 * ended them, which looks at its queue and tells its followers by itself.
 */
export async function endRuns(db: Database | Tx, runs: readonly Ending[]): Promise<(Ended | undefined)[]> {
  // the times are the database's, and later than the statements before: a queue's times tell its order on every node alike
  const { rows } = await sql<Ended>`${PLANNED_ONCE}
    with named as (
      select * from unnest(${ids(runs)}::text[], ${nodes(runs)}::text[], ${attempts(runs)}::int[],
        ${runs.map(run => run.outcome.status)}::text[], ${runs.map(run => run.outcome.returnCode)}::int[],
        ${runs.map(run => run.outcome.errorCode)}::text[], ${runs.map(run => run.outcome.errorText)}::text[])
      as named(id, node, attempt, new_status, new_return_code, new_error_code, new_error_text)),
    held as materialized (
      select jobs.id, qname, new_status, new_return_code, new_error_code, new_error_text
      from jobs join named using (id, node, attempt)
      where status in ('running', 'stopping') order by jobs.id for update of jobs),
    places as materialized (
      select from queues where qname in (select qname from held) order by qname for update),
    ended as (
      update jobs set status = new_status, return_code = new_return_code, error_code = new_error_code,
        error_text = new_error_text, ended_at = clock_timestamp(),
        expires_at = clock_timestamp() + keep_seconds * interval '1 second',
        sealed_spec = null, sealed_token = null, sealed_masks = null
      from held where jobs.id = held.id and (select count(*) from places) >= 0
      returning jobs.*),
    recorded as (
      insert into audit (entry)
      select (${entry('job.ended')} || jsonb_build_object('detail', jsonb_build_object('status', status,
        'return_code', return_code, 'error_code', error_code, 'image_digest', image_digest,
        'output_bytes', output_bytes, 'masked', masked)
        || case when output_gap then '{"output_gap": true}'::jsonb else '{}' end))::text
      from ended order by id)
    select id, attempt, submitted_at, started_at, ended_at, output_bytes, ${told(endings(runs))}
    from ended`.execute(db)
  return inOrder(runs, rows)
}

function endings(runs: readonly Ending[]): string[] {
  const by = Map.groupBy(runs, run => run.hold.node)
  return [...by].flatMap(([node, its]) => [wakeup('queue', node), ...payloads('job', ids(its), node)])
}

export interface Releasing {
  readonly hold: Hold
  /** It had a token, which was revoked. */
  readonly token: boolean
}

/** Everything that the jobs held is gone. False: another attempt has it, or it was said before. */
export async function releaseRuns(db: Database | Tx, runs: readonly Releasing[]): Promise<boolean[]> {
  const { rows } = await sql<Done>`${PLANNED_ONCE}
    with named as (
      select * from unnest(${ids(runs)}::text[], ${nodes(runs)}::text[], ${attempts(runs)}::int[],
        ${runs.map(run => run.token)}::boolean[]) as named(id, releaser, attempt, token)),
    held as materialized (
      select jobs.id, releaser, token from jobs join named using (id, attempt)
      where released_at is null order by jobs.id for update of jobs),
    released as (
      update jobs set released_at = clock_timestamp(), token_accessor = null, token_renew_at = null
      from held where jobs.id = held.id returning jobs.id, attempt, releaser as node, token),
    recorded as (
      insert into audit (entry)
      select ${entry(sql`action`)}::text from released
      join (values ('job.container_removed'), ('job.token_revoked')) as said(action)
        on token or action <> 'job.token_revoked'
      order by id, action)
    select id, attempt, ${told(payloads('job', ids(runs)))} from released`.execute(db)
  return inOrder(runs, rows).map(row => row !== undefined)
}

type Done = Pick<Hold, 'id' | 'attempt'>
type Held = { readonly hold: Hold }

const ids = (runs: readonly Held[]) => runs.map(run => run.hold.id)
const nodes = (runs: readonly Held[]) => runs.map(run => run.hold.node)
const attempts = (runs: readonly Held[]) => runs.map(run => run.hold.attempt)

/** An `AuditEntry` of the row at hand. */
function entry(action: AuditAction | RawBuilder<string>): RawBuilder<unknown> {
  const name = typeof action === 'string' ? sql.lit(action) : action
  return sql`jsonb_build_object('action', ${name}::text, 'job', id, 'actor', node)`
}

/** A column that wakes those who wait, once for the whole statement, if it has any row. */
function told(wakeups: readonly string[]): RawBuilder<unknown> {
  return sql`(select count(pg_notify('writ', payload)) from unnest(${wakeups}::text[]) as payload) as told`
}

function inOrder<Row extends Done>(runs: readonly Held[], rows: readonly Row[]): (Row | undefined)[] {
  const key = ({ id, attempt }: Done) => `${id} ${attempt}`
  const found = new Map(rows.map(row => [key(row), row]))
  return runs.map(run => found.get(key(run.hold)))
}
