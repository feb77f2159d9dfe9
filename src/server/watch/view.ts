import { isDeepStrictEqual } from 'node:util'
import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import { actorOf } from '../jobs/submit.ts'
import { listKeys } from '../store/watch-keys.ts'
import { lockWatch, lookAgain, updateWatch, type Watch } from '../store/watches.ts'
import { baseOf, nextCommit } from './candidate.ts'
import { openWatched } from './open.ts'
import { digestOf, type Plan, planOf } from './plan.ts'
import { type Candidate, judge, standing, type Verdict } from './quorum.ts'
import type { ChangedFile } from './repository/history.ts'
import type { Repository } from './repository/repository.ts'
import { readStoredRequests } from './requests.ts'
import type { Standing } from './signatures/quorum.ts'
import type { Watching } from './watching.ts'

/** What a commit would do, before anything runs, and who has signed it. */
export interface PlanView {
  readonly plan: Plan
  readonly digest: string
  /** The last commit that was done; empty for none. */
  readonly base: string
  /** Since the base; all files without one, and if the base is not there any more. */
  readonly changed: readonly ChangedFile[]
  readonly message: string
  readonly standing: Standing
}

/** Does something with the repository as it is at the server now. */
async function withRepository<T>(
  watching: Watching,
  watch: Watch,
  action: (repository: Repository, tip: { commit: string; object: string }) => Promise<T>,
): Promise<T> {
  const repository = await openWatched(watching, watch)
  try {
    const { object } = await repository.fetch(await repository.tip())
    return await action(repository, { commit: await repository.commitOf(object), object })
  } finally {
    await repository.close()
  }
}

/** The plan of a commit of the branch: of the one asked for, or the next to run, or else the tip. Throws `commit_unknown`. */
export async function planView(watching: Watching, watch: Watch, commit: string): Promise<PlanView> {
  return await withRepository(watching, watch, async (repository, tip) => {
    const candidate = await candidateOf(watch, repository, tip, commit)
    const plan = planOf(watch, candidate.commit, await readStoredRequests(watching.engine, watch.name))
    const base = baseOf(watch)
    const known = base !== '' && (await repository.isFastForward(base, candidate.commit).catch(() => false))
    return {
      plan,
      digest: digestOf(plan),
      base,
      changed: await repository.changedFiles(known ? base : undefined, candidate.commit),
      message: (await repository.readCommit(candidate.commit)).message,
      standing: await standing(watching.engine, watch, repository, candidate, plan),
    }
  })
}

async function candidateOf(watch: Watch, repository: Repository, tip: Candidate, commit: string): Promise<Candidate> {
  if (commit === '') {
    const next = await nextCommit(watch, repository, { object: tip.object, signatures: undefined }).catch(() => null)
    return next ?? tip
  }
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new WritError('commit_unknown', 'not the full id of a commit')
  // only what is on the branch: another commit of the cache is nothing that anybody published here
  if (!(await repository.isFastForward(commit, tip.commit))) throw new WritError('commit_unknown', 'not on the branch')
  return { commit, object: commit === tip.commit ? tip.object : commit }
}

/**
 * Accepts a commit of the branch although it does not descend from the last one that was done (a branch that was rewritten, another
 * repository), if enough people have signed it. `run`: it is the next one to run; otherwise it counts as done and only later ones
 * run. Throws what `judge` throws, `commit_unknown`, `watch_busy`.
 */
export async function acceptCommit(
  watching: Watching,
  caller: Caller,
  watch: Watch,
  { commit, run }: { commit: string; run: boolean },
): Promise<Verdict> {
  const { engine } = watching
  const keys = await listKeys(engine.db, watch.name)
  const verdict = await withRepository(watching, watch, async (repository, tip) => {
    const candidate = commit === '' ? tip : await candidateOf(watch, repository, tip, commit)
    const plan = planOf(watch, candidate.commit, await readStoredRequests(engine, watch.name))
    return await judge(engine, watch, repository, candidate, plan)
  })
  const accepted = verdict.accepted.commit
  await engine.db.transaction().execute(async tx => {
    const locked = await lockWatch(tx, watch.name)
    if (!locked) throw new WritError('watch_not_found')
    // a fetch may take minutes: a key that was taken out in them must not have moved the base
    const judged = [watch.configuration, watch.options, keys]
    const now = [locked.configuration, locked.options, await listKeys(tx, watch.name)]
    if (!isDeepStrictEqual(now, judged)) throw new WritError('watch_changed')
    const running = await tx
      .selectFrom('watch_tasks')
      .select('id')
      .where('watch', '=', watch.name)
      .where('state', '=', 'started')
      .executeTakeFirst()
    // its end would move what is accepted now
    if (running) throw new WritError('watch_busy')
    const change = run ? { waived_commit: accepted } : { accepted_commit: accepted, waived_commit: '' }
    await updateWatch(tx, watch.name, { ...change, ...ANEW })
    const detail = {
      watch: watch.name,
      commit: accepted,
      before: locked.accepted_commit,
      run,
      signers: verdict.signers,
    }
    await record(tx, { action: 'watch.accepted', actor: actorOf(caller), detail })
    await lookAgain(tx, watch.name)
  })
  return verdict
}

export const ANEW = {
  state: 'watching',
  reason_code: '',
  reason: '',
  failed_commit: '',
  failures: 0,
  retry_at: null,
} as const
