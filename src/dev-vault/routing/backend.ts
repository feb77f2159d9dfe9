import type { Fields } from '../fields.ts'
import type { Acl } from '../policy/acl.ts'
import type { JsonObject } from '../text/json.ts'
import type { TokenEntry } from '../tokens/entry.ts'
import type { Login, LoginLimits } from '../tokens/login.ts'
import type { VaultRequest } from './request.ts'

/** Whoever makes the request, as far as it is known. */
export interface Caller {
  readonly token: TokenEntry
  readonly acl: Acl
}

/** A request on its way through one path of a backend. */
export interface Call {
  readonly request: VaultRequest
  /** The parts of the path that its pattern names. */
  readonly params: Readonly<Record<string, string>>
  readonly fields: Fields
  /** Absent on paths that need no token. */
  readonly caller: Caller | undefined
  readonly mount: Mount
}

/** A secret that must be given back some day. */
export interface SecretLease {
  readonly ttl: number
  readonly maxTtl: number
  /** What the backend needs to renew and to revoke. */
  readonly internal: JsonObject
}

export interface WrapInfo {
  readonly token: string
  readonly accessor: string
  readonly ttl: number
  readonly creation_time: string
  readonly creation_path: string
  readonly wrapped_accessor?: string
}

/** What a path answers. Nothing at all becomes a 204 on a write and a 404 on a read. */
export interface Answer {
  readonly status?: number
  readonly data?: JsonObject | null
  readonly auth?: JsonObject
  readonly leaseId?: string
  readonly renewable?: boolean
  readonly leaseDuration?: number
  readonly warnings?: readonly string[]
  readonly wrap?: WrapInfo
  /** Repeats the data at the top level, as the oldest paths do. */
  readonly flat?: boolean
  /** The whole body, without the envelope. */
  readonly bare?: JsonObject
  /** Someone has logged in: the pipeline makes the token. */
  readonly login?: Login
  /** The data is a secret under lease: the pipeline registers it. */
  readonly secret?: SecretLease
}

export type Handler = (call: Call) => Answer | undefined | Promise<Answer | undefined>

/** One path of a backend and what may be done there. */
export interface Route {
  /** `role/:name/secret-id`; a last `:name*` takes the rest with its slashes. */
  readonly path: string
  /** What the path is for, in a line: the text of `?help=1`. */
  readonly help: string
  readonly read?: Handler
  readonly list?: Handler
  /** Create and update. */
  readonly write?: Handler
  readonly delete?: Handler
  /** Decides whether a write needs the create or the update capability; without it, update. */
  readonly exists?: (call: Call) => boolean
}

/** A secrets engine or an auth method, made anew for each mount. */
export interface Backend {
  readonly help: string
  readonly routes: readonly Route[]
  /** Paths that need no token: exact, or a prefix that ends in `*`. */
  readonly open?: readonly string[]
  /** Paths that need the sudo capability. */
  readonly sudo?: readonly string[]
  /** The limits by which a login made here is renewed now. @throws VaultError when it may not be. */
  readonly renewLogin?: (token: TokenEntry, request: VaultRequest) => LoginLimits
  /** Prolongs a secret outside; called before the lease is. */
  readonly renewSecret?: (internal: JsonObject, expiresAt: number) => Promise<void>
  readonly revokeSecret?: (internal: JsonObject) => Promise<void>
  /** Releases what the backend holds, after its leases are revoked. */
  readonly close?: () => Promise<void>
}

/** A place in the mount table. */
export interface Mount {
  /** From the root of the API, `/` at the end: `secret/`, `auth/token/`. */
  path: string
  readonly type: string
  readonly accessor: string
  readonly uuid: string
  readonly local: boolean
  readonly sealWrap: boolean
  readonly externalEntropyAccess: boolean
  config: MountConfig
  options: Record<string, string> | null
  description: string
  backend: Backend
}

/** Lifetimes in seconds; 0 stands for the default of the system. */
export interface MountConfig {
  defaultLeaseTtl: number
  maxLeaseTtl: number
  tokenType: string
  /** Settings that are stored and shown and have no effect here. */
  readonly shown: JsonObject
}
