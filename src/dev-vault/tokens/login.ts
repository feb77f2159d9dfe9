import type { JsonObject } from '../text/json.ts'

/** The limits a login method sets for its tokens, in seconds; 0 is no limit of its own. */
export interface LoginLimits {
  readonly ttl: number
  readonly maxTtl: number
  readonly period: number
  readonly explicitMaxTtl: number
}

/** Someone has proved who they are; the pipeline makes the token. */
export interface Login extends LoginLimits {
  /** Follows the name of the mount in the token's display name. */
  readonly displayName: string
  readonly policies: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly noDefaultPolicy: boolean
  readonly numUses: number
  readonly boundCidrs: readonly string[]
  readonly tokenType: string
  /** Who it is, within the mount: the same name is the same entity. */
  readonly alias: string
  /** What `renewLogin` will be shown. */
  readonly internal: JsonObject
}
