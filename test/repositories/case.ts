import type { ErrorCode } from '../../src/protocol/errors.ts'
import type { TrustedKey } from '../../src/server/watch/signatures/quorum.ts'
import type { World } from './world.ts'

/** Something that a watch has to accept, or must not. */
export interface Case {
  readonly name: string
  make(world: World): Made
}

export interface Made {
  /** The signed object, a commit. */
  readonly subject: string
  readonly keys: readonly TrustedKey[]
  /** Default 1. */
  readonly required?: number
  readonly now?: Date
  /** Of the refusal; default `quorum_not_met`. */
  readonly code?: ErrorCode
}

export function named(name: string, make: Case['make']): Case {
  return { name, make }
}
