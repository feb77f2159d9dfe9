import { isDeepStrictEqual } from 'node:util'
import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { actorOf } from '../jobs/submit.ts'
import { forgetFailure } from '../store/watch-failures.ts'
import { listKeys } from '../store/watch-keys.ts'
import { lockWatch, lookAgain, updateWatch, type Watch } from '../store/watches.ts'
import { changeWatch } from './change.ts'
import { planOf } from './plan.ts'
import { judge, type Verdict } from './quorum.ts'
import { readStoredRequests } from './requests.ts'
import { candidateOf, withRepository } from './view.ts'
import type { Watching } from './watching.ts'

/** What the state of a watch says once a person has decided. */
const ANEW = { state: 'watching', reason_code: '', reason: '', failed_commit: '' } as const

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
    const requests = await readStoredRequests(engine, watch.name)
    const plan = planOf(watch, candidate.commit, requests, watching.settings.kubernetesNamespaces)
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
    if (run) await forgetFailure(tx, watch.name, accepted)
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

/**
 * Runs a commit once more that failed, with its attempts counted anew: the one named, or the one that the watch speaks of. No other:
 * a server that shows several in turns must not get a person's wish for one of them carried over to the next.
 */
export async function retryCommit(engine: Engine, caller: Caller, watch: Watch, commit = ''): Promise<void> {
  if (commit !== '' && !/^[0-9a-f]{40}$/.test(commit))
    throw new WritError('commit_unknown', 'not the full id of a commit')
  const wanted = commit || watch.failed_commit
  await changeWatch(engine, caller, watch, 'retry', { commit: wanted }, async (tx, locked) => {
    if (wanted !== '') await forgetFailure(tx, locked.name, wanted)
    return locked.failed_commit === wanted ? ANEW : undefined
  })
}
