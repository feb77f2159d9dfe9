import { WritError } from '../../protocol/errors.ts'
import type { Plan } from '../../protocol/watch-plan.ts'
import { record } from '../audit/audit.ts'
import type { Engine } from '../jobs/engine.ts'
import { findFailure, type WatchFailure } from '../store/watch-failures.ts'
import type { WatchState } from '../store/watch-schema.ts'
import { noteRefusal, pruneRefusals } from '../store/watch-tasks.ts'
import { endLook, type Watch } from '../store/watches.ts'
import { baseOf, nextCommit } from './candidate.ts'
import { openWatched } from './open.ts'
import { planOf } from './plan.ts'
import { type Candidate, judge, type Verdict } from './quorum.ts'
import type { Tip } from './repository/remote.ts'
import type { Repository } from './repository/repository.ts'
import { readStoredRequests } from './requests.ts'
import { startCommit } from './start.ts'
import { DEFAULT_TASKS } from './tasks.ts'
import type { Watching } from './watching.ts'

/** So that watches which were made together are not looked at together for ever. */
const JITTER_MS = 500
const SHORTEST_PERIOD_MS = 1_000

export function shortestPeriodMs({ configuration }: Pick<Watch, 'configuration'>): number {
  return Math.max(SHORTEST_PERIOD_MS, (configuration?.git_poll_period ?? 0) * 1000)
}

/**
 * Looks at a watch that this node has claimed, and starts the next commit if there is one that may run. Every way out ends the
 * claim and says when the next look is due: a period after this one began, whatever came of it (gitops.md §6).
 */
export async function look(watching: Watching, watch: Watch, signal: AbortSignal): Promise<void> {
  const { engine } = watching
  const began = Date.now()
  const periodMs = shortestPeriodMs(watch)
  const times = {
    polled_at: new Date(began),
    next_poll_at: new Date(began + periodMs + Math.random() * Math.min(JITTER_MS, periodMs / 10)),
  }
  const log = engine.log.child({ watch: watch.name })
  const found: Found = {}
  try {
    const repository = await openWatched(watching, watch, signal)
    try {
      const next = await findNext(engine, watch, repository, found, signal)
      if (next === null) {
        log.debug({ tip: found.tip?.object }, 'Head commit not changed: skipping')
        const standing = found.news ? CALM : found.failure ? standingOf(found.failure) : {}
        await endLook(engine.db, watch, { ...times, ...seenOf(watch, found, true), ...standing })
        return
      }
      const { plan, verdict } = await examine(watching, watch, repository, next, signal)
      const started = await startCommit(watching, watch, { candidate: next, plan, verdict, times })
      if (started) log.info({ commit: next.commit, ...started }, 'Added new periodic task with uuid')
    } finally {
      await repository.close()
    }
  } catch (error) {
    if (signal.aborted) throw error
    const reason = error instanceof WritError ? error : new WritError('internal', undefined, { cause: error })
    if (reason.code === 'internal') log.error({ err: error }, 'a look at a watch failed')
    else log.warn({ code: reason.code, reason: reason.message }, 'a commit was not taken up')
    await refuse(watching, watch, reason, { ...times, ...seenOf(watch, found, isFinding(reason)) }, found)
  }
}

interface Found {
  tip?: Tip
  candidate?: Candidate
  /** All that there is was done: nothing is refused, stopped or given up any more. */
  news?: true
  /** The candidate failed, and waits for its time or for a person, whatever was found in between. */
  failure?: WatchFailure
}

const CALM = { state: 'watching', reason_code: '', reason: '', failed_commit: '' } as const

/** The next commit, if there is one that is not waiting for its time or for a person. */
async function findNext(
  { db }: Engine,
  watch: Watch,
  repository: Repository,
  found: Found,
  signal: AbortSignal,
): Promise<Candidate | null> {
  found.tip = await repository.tip(signal)
  if (watch.seen === textOf(found.tip)) return null
  if (found.tip.object !== baseOf(watch)) {
    found.tip = await repository.fetch(found.tip, signal)
    const next = await nextCommit(watch, repository, found.tip)
    if (next !== null) {
      found.candidate = next
      // by the commit, and not by what the last look found: a look that fails, or a server that shows another commit in between,
      // would have it run once more
      const failure = await findFailure(db, watch.name, next.commit)
      if (!failure || (failure.retry_at !== null && failure.retry_at.getTime() <= Date.now())) return next
      found.failure = failure
      return null
    }
  }
  found.news = true
  return null
}

/** As it was when the commit failed, also after a look that found something else. */
function standingOf({ commit, retry_at, reason_code, reason }: WatchFailure) {
  return { state: retry_at === null ? 'given_up' : 'watching', reason_code, reason, failed_commit: commit } as const
}

async function examine(
  { engine, settings }: Watching,
  watch: Watch,
  repository: Repository,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<{ plan: Plan; verdict: Verdict }> {
  const requests = await readStoredRequests(engine, watch.name, signal)
  const plan = planOf(watch, candidate.commit, requests, settings.kubernetesNamespaces)
  const verdict = await judge(engine, watch, repository, candidate, plan)
  const logins = plan.kubernetes?.vaults.length ?? 0
  if (requests.length + logins > 0 && !watch.access) throw new WritError('watch_access_missing')
  return { plan, verdict }
}

/** A refusal that stays the same until something new is pushed or somebody changes the watch; anything else may be over next time. */
function isFinding({ code, entry }: WritError): boolean {
  return code !== 'internal' && entry.http !== 503
}

const textOf = (tip: Tip): string => `${tip.object} ${tip.signatures ?? ''}`

function seenOf(watch: Watch, { tip, failure }: Found, settled: boolean) {
  // what waits for its time must be found again by the next look
  const waits = failure !== undefined && failure.retry_at !== null
  return { tip: tip?.object ?? watch.tip, seen: tip && settled && !waits ? textOf(tip) : '' }
}

async function refuse(
  { engine }: Watching,
  watch: Watch,
  reason: WritError,
  change: Parameters<typeof endLook>[2],
  { tip, candidate }: Found,
): Promise<void> {
  const state: WatchState = reason.code === 'commit_not_descendant' ? 'stopped' : 'refused'
  const commit = candidate?.commit ?? tip?.object ?? ''
  await engine.db.transaction().execute(async tx => {
    const refusal = { watch: watch.name, commit, reasonCode: reason.code, reason: reason.message }
    if (await noteRefusal(tx, refusal)) {
      const detail = { watch: watch.name, commit, code: reason.code, reason: reason.message }
      const action = state === 'stopped' ? 'watch.stopped' : 'watch.refused'
      await record(tx, { action, actor: engine.node, detail })
      await pruneRefusals(tx, watch.name, (watch.task_configuration ?? DEFAULT_TASKS).task_history_limit)
    }
    await endLook(tx, watch, { ...change, state, reason_code: reason.code, reason: reason.message })
  })
}
