import type { Engine } from '../jobs/engine.ts'
import type { Protocol } from './repository/address.ts'
import type { Turns } from './turns.ts'

/** Part of the server's configuration (docs/configuration.md says what each means). */
export interface WatchSettings {
  readonly watchProtocols: readonly Protocol[]
  readonly watchCache: string
  readonly watchLooks: number
  readonly kubernetesNamespaces: readonly string[]
}

/** What the parts of the watch work with; made once, in main.ts. */
export interface Watching {
  readonly engine: Engine
  readonly settings: WatchSettings
  /** For what people ask and what has to be fetched for it. */
  readonly turns: Turns
}
