import type { ErrorCode } from '../../src/protocol/errors.ts'
import type { GitRepository } from './git-repository.ts'
import type { World } from './world.ts'

/** A whole repository that must not lead to a tar of files. */
export interface RepositoryCase {
  readonly name: string
  readonly code: ErrorCode | readonly ErrorCode[]
  make(repository: GitRepository, world: World): RepositoryWatch | undefined
}

export interface RepositoryWatch {
  readonly address?: string
  readonly branch?: string
  /** The last accepted commit. */
  readonly last?: string
  /** Of 1 signature by ann; default 0. */
  readonly required?: number
  /** Done to the cache between fetch and check. */
  readonly spoil?: (cache: string) => void
}

type Make = (repository: GitRepository, world: World) => RepositoryWatch | undefined | string

/** What `make` answers as a text is a commit, and becomes `main`. */
export function one(name: string, code: RepositoryCase['code'], make: Make): RepositoryCase {
  return {
    name,
    code,
    make(repository, world) {
      const made = make(repository, world)
      if (typeof made !== 'string') return made
      repository.ref('refs/heads/main', made)
      return undefined
    },
  }
}
