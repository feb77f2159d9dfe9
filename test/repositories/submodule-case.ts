import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '../../src/protocol/errors.ts'
import type { RepositoryOptions } from '../../src/server/watch/repository/options.ts'
import type { Modules } from './modules.ts'

/** A signed commit whose submodules must not lead to a tar of files. */
export interface SubmoduleCase {
  readonly name: string
  readonly code: ErrorCode | readonly ErrorCode[]
  /** Makes `main.git`, on a server that is asked with a password. */
  make(modules: Modules, servers: Servers): SubmoduleWatch | undefined
}

/** Addresses without a slash at the end. */
export interface Servers {
  readonly own: string
  /** It must not hear of the password, and unless it is listed, of nothing at all. */
  readonly elsewhere: string
}

export interface SubmoduleWatch extends Partial<RepositoryOptions> {
  /** Answers in the place of git, where it returns true. */
  readonly before?: (request: IncomingMessage, response: ServerResponse) => boolean
}

export type Code = SubmoduleCase['code']
