import { WritError } from '../../protocol/errors.ts'
import { digestOf, type Plan } from '../../protocol/watch-plan.ts'
import type { Watch } from '../store/watches.ts'
import { baseOf, nextCommit } from './candidate.ts'
import { type Fetches, fetchesOf } from './fetches.ts'
import { openWatched } from './open.ts'
import { planOf } from './plan.ts'
import { type Candidate, standing } from './quorum.ts'
import type { ChangedFile } from './repository/history.ts'
import type { Repository } from './repository/repository.ts'
import { readStoredRequests } from './requests.ts'
import type { Standing } from './signatures/quorum.ts'
import type { Watching } from './watching.ts'

/** What a commit would do, before anything runs, and who has signed it. */
export interface PlanView {
  readonly plan: Plan
  readonly digest: string
  /** What signatures of the commit are over: itself, or the watched tag that names it. */
  readonly object: string
  /** The last commit that was done; empty for none. */
  readonly base: string
  /** Since the base; all files without one, and if the base is not there any more. */
  readonly changed: readonly ChangedFile[]
  readonly message: string
  readonly fetches: Fetches
  readonly standing: Standing
}

/** Does something with the repository as it is at the server now. */
export async function withRepository<T>(
  watching: Watching,
  watch: Watch,
  action: (repository: Repository, tip: { commit: string; object: string }) => Promise<T>,
): Promise<T> {
  return await watching.turns.take(watch.name, async () => {
    const repository = await openWatched(watching, watch)
    try {
      const { object } = await repository.fetch(await repository.tip())
      return await action(repository, { commit: await repository.commitOf(object), object })
    } finally {
      await repository.close()
    }
  })
}

/** The plan of a commit of the branch: of the one asked for, or the next to run, or else the tip. Throws `commit_unknown`. */
export async function planView(watching: Watching, watch: Watch, commit: string): Promise<PlanView> {
  return await withRepository(watching, watch, async (repository, tip) => {
    const candidate = await candidateOf(watch, repository, tip, commit)
    const requests = await readStoredRequests(watching.engine, watch.name)
    const plan = planOf(watch, candidate.commit, requests, watching.settings.kubernetesNamespaces)
    const base = baseOf(watch)
    const known = base !== '' && (await repository.isFastForward(base, candidate.commit).catch(() => false))
    return {
      plan,
      digest: digestOf(plan),
      object: candidate.object,
      base,
      changed: await repository.changedFiles(known ? base : undefined, candidate.commit),
      message: (await repository.readCommit(candidate.commit)).message,
      fetches: await fetchesOf(watch, repository, plan),
      standing: await standing(watching.engine, watch, repository, candidate, plan),
    }
  })
}

/** A commit of the branch, by its id, or the next to run. Throws `commit_unknown`. */
export async function candidateOf(
  watch: Watch,
  repository: Repository,
  tip: Candidate,
  commit: string,
): Promise<Candidate> {
  if (commit === '') {
    const next = await nextCommit(watch, repository, { object: tip.object, signatures: undefined }).catch(() => null)
    return next ?? tip
  }
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new WritError('commit_unknown', 'not the full id of a commit')
  // only what is on the branch: another commit of the cache is nothing that anybody published here
  if (!(await repository.isFastForward(commit, tip.commit))) throw new WritError('commit_unknown', 'not on the branch')
  return { commit, object: commit === tip.commit ? tip.object : commit }
}
