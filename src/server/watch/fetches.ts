import { WritError } from '../../protocol/errors.ts'
import type { Plan } from '../../protocol/watch-plan.ts'
import type { Watch } from '../store/watches.ts'
import { optionsOf } from './options.ts'
import type { Repository } from './repository/repository.ts'
import type { Submodule } from './repository/submodules/submodules.ts'

/** What a commit has fetched besides its repository, before it starts. All of it is named by what was signed. */
export interface Fetches {
  /** Of the commit itself; what is in them is not known before they are there. */
  readonly submodules: readonly Submodule[]
  /** Of the commit itself too; null: contents of LFS are not fetched. */
  readonly lfs: { readonly files: number; readonly bytes: number } | null
  /** Code and words with which it will be refused; empty as far as that is known. */
  readonly refused: string
}

/** Nothing is asked of any server for it: nobody may have signed the commit yet. */
export async function fetchesOf(watch: Watch, repository: Repository, plan: Plan): Promise<Fetches> {
  const { commit } = plan
  // a Job of Kubernetes fetches its files itself
  const options = plan.kubernetes ? { submodules: '', lfs: '' } : optionsOf(watch.options)
  try {
    return {
      submodules: options.submodules === 'fetch' ? await repository.submodulesOf(commit) : [],
      lfs: options.lfs === 'fetch' ? await repository.largeFilesOf(commit) : null,
      refused: '',
    }
  } catch (error) {
    if (!(error instanceof WritError) || error.code === 'internal') throw error
    return { submodules: [], lfs: null, refused: `${error.code}: ${error.message}` }
  }
}
