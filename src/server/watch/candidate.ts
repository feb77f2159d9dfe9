import { WritError } from '../../protocol/errors.ts'
import type { Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import type { Candidate } from './quorum.ts'
import type { Tip } from './repository/remote.ts'
import type { Repository } from './repository/repository.ts'

/** The commit that the next one has to descend from; empty while there is none. */
export function baseOf(watch: Watch): string {
  return watch.accepted_commit || (watch.configuration?.initial_last_successful_commit ?? '')
}

/**
 * The next commit to run after what was done so far, or null when all is done (gitops.md §7). Without a base, the tip is the first.
 * Throws `commit_not_descendant` with both commits: the branch was rewritten, or is another one, and nobody has accepted that.
 */
export async function nextCommit(watch: Watch, repository: Repository, tip: Tip): Promise<Candidate | null> {
  const head = await repository.commitOf(tip.object)
  const base = baseOf(watch)
  if (base === head) return null
  const every = optionsOf(watch.options).mode === 'every'
  const asCandidate = (commit: string) => ({ commit, object: commit === head ? tip.object : commit })
  if (base === '') return asCandidate(head)
  if (await descends(repository, base, head)) {
    const [oldest = head] = every ? await repository.commitsBetween(base, head) : []
    return asCandidate(oldest)
  }
  const { waived_commit } = watch
  // what was accepted is that commit; what came after it descends from it, and needs its own signatures
  if (waived_commit !== '' && (await descends(repository, waived_commit, head))) {
    return asCandidate(every ? waived_commit : head)
  }
  throw new WritError('commit_not_descendant', `${head} is not a descendant of ${base}`)
}

async function descends(repository: Repository, from: string, to: string): Promise<boolean> {
  try {
    return await repository.isFastForward(from, to)
  } catch (error) {
    // the base is not in the repository at all: rewritten, or another repository
    if (error instanceof WritError && error.code === 'commit_unknown') return false
    throw error
  }
}
