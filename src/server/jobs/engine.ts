import type { Logger } from 'pino'
import type { Vault } from '../../vault/client.ts'
import type { Config } from '../config.ts'
import type { Identity } from '../identity/identity.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Database } from '../store/database.ts'
import type { Wakeups } from '../store/wakeups.ts'

/** The parts that the steps of a job work with; made once, in main.ts. */
export interface Engine {
  readonly node: string
  readonly config: Config
  readonly db: Database
  readonly wakeups: Wakeups
  readonly vault: Vault
  readonly identity: Identity
  readonly runtime: Runtime
  readonly log: Logger
}
