import { record } from '../audit/audit.ts'
import type { Tx } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import type { Outcome } from '../store/runs.ts'
import { notify } from '../store/wakeups.ts'
import { findFailure, forgetFailure, putFailure } from '../store/watch-failures.ts'
import { endTask, pruneTasks } from '../store/watch-tasks.ts'
import { lockWatch, updateWatch, type Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import { DEFAULT_TASKS } from './tasks.ts'

/** Longest pause before a commit that failed is run again, unless the watch looks less often than that. */
const LONGEST_PAUSE_MS = 3_600_000
/** After a run that its server or its Vault kept waiting. */
const FIRST_AWAY_MS = 15_000
/** Somebody waits for it to go on when that is back. */
const LONGEST_AWAY_MS = 300_000

/**
 * Puts the marker *done* or *failed*, in the transaction that ends the job: whatever crashes, a commit has one of them exactly when
 * its job has ended. Done: later commits have to descend from this one. Failed: it is run again after a pause that doubles, until
 * it is given up.
 */
export async function endCommit(tx: Tx, node: string, job: Pick<Job, 'id'>, outcome: Outcome): Promise<void> {
  const done = outcome.status === 'success'
  const reason = done ? '' : outcome.errorText || `the commands ended with code ${outcome.returnCode}`
  const reasonCode = done ? '' : outcome.errorCode || 'command_failed'
  const task = await endTask(tx, job.id, { state: done ? 'done' : 'failed', reasonCode, reason })
  const watch = task && (await lockWatch(tx, task.watch))
  if (!task || !watch) return
  const { commit, attempt } = task
  const detail = { watch: watch.name, task: task.id, commit, attempt, status: outcome.status, code: reasonCode }
  await record(tx, { action: 'watch.commit_ended', job: job.id, actor: node, detail })
  if (done) {
    await forgetFailure(tx, watch.name, commit)
    await updateWatch(tx, watch.name, { ...DONE, accepted_commit: commit, ...nextIn(watch) })
  } else {
    const failures = isAttempt(reasonCode) ? attempt : attempt - 1
    const pauses = ((await findFailure(tx, watch.name, commit))?.pauses ?? 0) + 1
    const final = isFinal(watch, attempt, outcome)
    const retry_at = final ? null : new Date(Date.now() + pauseMs(watch, pauses, reasonCode))
    const ended = { reason_code: reasonCode, reason }
    await putFailure(tx, { watch: watch.name, commit, failures, pauses, retry_at, ...ended })
    // nothing but a newer commit or a person gets the watch going again: somebody has to hear of it
    if (final) await record(tx, { action: 'watch.given_up', job: job.id, actor: node, detail: { ...detail, reason } })
    await updateWatch(tx, watch.name, {
      ...ended,
      state: final ? 'given_up' : 'watching',
      failed_commit: commit,
      ...(retry_at ? { next_poll_at: earlier(watch.next_poll_at, retry_at) } : {}),
    })
  }
  await pruneTasks(tx, watch.name, (watch.task_configuration ?? DEFAULT_TASKS).task_history_limit)
  await notify(tx, 'watch', watch.name)
}

const DONE = {
  state: 'watching',
  reason_code: '',
  reason: '',
  failed_commit: '',
  waived_commit: '',
  seen: '',
} as const

/** In order: there may be a next one already, and it need not wait for the next look. */
function nextIn(watch: Watch): { next_poll_at?: Date } {
  return optionsOf(watch.options).mode === 'every' ? { next_poll_at: new Date() } : {}
}

/**
 * No more attempts. Also where it cannot be known whether the commands ran (`unknown`), since the next would be the second time by
 * accident, and where somebody cancelled it, who would have to do so again and again.
 */
function isFinal(watch: Watch, attempt: number, { status, errorCode }: Outcome): boolean {
  if (status === 'unknown' || errorCode === 'job_killed') return true
  return isAttempt(errorCode) && attempt >= optionsOf(watch.options).max_attempts
}

/** Nothing was run, and not because of the commit: its server or its Vault was away. */
const AWAY = new Set(['repository_unreachable', 'watch_vault_unavailable'])

/** Whether it counts; otherwise it is taken up again, with what is configured then, for as long as it takes. */
function isAttempt(code: string): boolean {
  return code !== 'watch_changed' && !AWAY.has(code)
}

/**
 * A failing run honours the period (gitops.md §6): never before the next regular look. One that did not come to run because of
 * something that was away is tried again soon, and more and more rarely.
 */
function pauseMs(watch: Watch, pauses: number, code: string): number {
  const periodMs = (watch.configuration?.git_poll_period ?? 0) * 1000
  if (AWAY.has(code)) return Math.min(LONGEST_AWAY_MS, FIRST_AWAY_MS * 2 ** (pauses - 1))
  return Math.max(periodMs, Math.min(LONGEST_PAUSE_MS, Math.max(1_000, periodMs) * 2 ** (pauses - 1)))
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
