import type { UserIdSource } from '../../identity/methods/user-id.ts'

/** Which version of vault-gatekeeper a request or an answer is in. Bodies suit both; statuses and texts differ (gatekeeper.md §11.4). */
export type Wire = 'v1' | 'v2'

export interface GateHttpSettings {
  /** Of requests that do not show which they are. */
  readonly wire: Wire
  readonly version: string
  /** Status of `/status.json` while sealed. */
  readonly sealedStatus: number
  /** Where tasks reach Vault: told to them with their token. */
  readonly vaultAddress: string
  /** Anybody may seal and reload, as in vault-gatekeeper. */
  readonly legacyAdmin: boolean
  /** What may be read for an app-id login that is asked for over HTTP: nothing that is not configured. */
  readonly userId: UserIdSource | null
  /** Requests a minute from one address, 0 for no limit: for tokens, and to unseal. */
  readonly tokenRate: number
  readonly unsealRate: number
  /** PEM, both or neither. */
  readonly tlsCert: string | null
  readonly tlsKey: string | null
}
