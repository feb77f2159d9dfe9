import type { Caller } from '../../jobs/caller.ts'
import type { Watch } from '../../store/watches.ts'
import type { Fields } from '../../watch/fields.ts'
import type { Watching } from '../../watch/watching.ts'
import type { PathAnswer } from './answer.ts'

/** A request on a path of a watch, from a caller who may do that. */
export interface PathCall extends Watching {
  readonly watch: Watch
  readonly caller: Caller
  /** What the pattern's `:name` stands for; empty when there is none. */
  readonly name: string
  /** Of the body, or of the query of a read. */
  readonly fields: Fields
}

type Handler = (call: PathCall) => Promise<PathAnswer | null>

export interface Path {
  /** `configure/vault_request/:name`, without a slash at its end; one there is always tolerated. */
  readonly pattern: string
  readonly synopsis: string
  readonly description: string
  /** Name to what it means. */
  readonly fields?: Readonly<Record<string, string>>
  readonly read?: Handler
  readonly list?: Handler
  readonly write?: Handler
  readonly remove?: Handler
}
