import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { WatchState } from '../store/watch-schema.ts'
import { newestRun, noteRefusal, pruneRefusals } from '../store/watch-tasks.ts'
import { endLook, type Watch } from '../store/watches.ts'
import { baseOf, nextCommit } from './candidate.ts'
import { openWatched } from './open.ts'
import { type Plan, planOf } from './plan.ts'
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

/**
 * Looks at a watch that this node has claimed, and starts the next commit if there is one that may run. Every way out ends the
 * claim and says when the next look is due: a period after this one began, whatever came of it (gitops.md §6).
 */
export async function look(watching: Watching, watch: Watch, signal: AbortSignal): Promise<void> {
  const { engine } = watching
  const began = Date.now()
  const periodMs = Math.max(SHORTEST_PERIOD_MS, (watch.configuration?.git_poll_period ?? 0) * 1000)
  const times = {
    polled_at: new Date(began),
    next_poll_at: new Date(began + periodMs + Math.random() * Math.min(JITTER_MS, periodMs / 10)),
  }
  const log = engine.log.child({ watch: watch.name })
  const found: Found = {}
  try {
    const repository = await openWatched(watching, watch, signal)
    try {
      const next = await findNext(watch, repository, found, signal)
      if (next === null) {
        log.debug({ tip: found.tip?.object }, 'Head commit not changed: skipping')
        const standing = found.news ? CALM : found.givenUp ? await givenUp(watching, watch) : {}
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
  /** The candidate waits for a person, whatever was found in between. */
  givenUp?: true
  /** The candidate waits for its time: the next look must find it again. */
  waits?: true
}

const CALM = { state: 'watching', reason_code: '', reason: '', failed_commit: '', failures: 0, retry_at: null } as const

/** The next commit, if there is one that is not waiting for its time or for a person. */
async function findNext(
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
      if (next.commit !== watch.failed_commit) return next
      // not by the state, which says what the last look found: whoever made one look fail would have it run once more
      if (watch.retry_at === null) {
        found.givenUp = true
        return null
      }
      if (watch.retry_at.getTime() <= Date.now()) return next
      found.waits = true
      return null
    }
  }
  found.news = true
  return null
}

/** As it was when the commit was given up, also after a look that found something else. */
async function givenUp({ engine }: Watching, { name, failed_commit }: Watch) {
  const run = await newestRun(engine.db, name, failed_commit)
  return { state: 'given_up', reason_code: run?.reason_code ?? '', reason: run?.reason ?? '' } as const
}

async function examine(
  { engine }: Watching,
  watch: Watch,
  repository: Repository,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<{ plan: Plan; verdict: Verdict }> {
  const requests = await readStoredRequests(engine, watch.name, signal)
  const plan = planOf(watch, candidate.commit, requests)
  const verdict = await judge(engine, watch, repository, candidate, plan)
  if (requests.length > 0 && !watch.access) throw new WritError('watch_access_missing')
  return { plan, verdict }
}

/** A refusal that stays the same until something new is pushed or somebody changes the watch; anything else may be over next time. */
function isFinding({ code, entry }: WritError): boolean {
  return code !== 'internal' && entry.http !== 503
}

const textOf = (tip: Tip): string => `${tip.object} ${tip.signatures ?? ''}`

function seenOf(watch: Watch, { tip, waits }: Found, settled: boolean) {
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
