import { Secret } from './secret.ts'

/** The envelope of every Vault answer with a body. `data` may hold secrets: wrap them at once, never log it. */
export interface VaultResponse {
  readonly data: Readonly<Record<string, unknown>> | null
  readonly auth: VaultAuth | null
  readonly wrap: WrapInfo | null
  readonly warnings: readonly string[]
  readonly lease: Lease
}

export interface VaultAuth {
  /** Empty where only the accessor is known: `requireAuth` is for who needs it. */
  readonly token: Secret
  readonly accessor: string
  readonly policies: readonly string[]
  readonly entityId: string
  /** Seconds; 0 never expires. */
  readonly leaseSeconds: number
  readonly renewable: boolean
  /** What the method says of who logged in. */
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface WrapInfo {
  readonly token: Secret
  readonly accessor: string
  /** Seconds. */
  readonly ttl: number
  readonly creationPath: string
  /** Of the token that is inside; empty when something else is. */
  readonly wrappedAccessor: string
}

/** `id` is empty for what has no lease (KV, for one). */
export interface Lease {
  readonly id: string
  readonly seconds: number
  readonly renewable: boolean
}

/** Reads the envelope; anything that is not one throws a TypeError that says which part, without its value. */
export function parseResponse(body: unknown): VaultResponse {
  const top = record(body, 'answer')
  return {
    data: isRecord(top.data) ? top.data : null,
    auth: isRecord(top.auth) ? parseAuth(top.auth) : null,
    wrap: isRecord(top.wrap_info) ? parseWrap(top.wrap_info) : null,
    warnings: texts(top.warnings),
    lease: {
      id: typeof top.lease_id === 'string' ? top.lease_id : '',
      seconds: typeof top.lease_duration === 'number' ? top.lease_duration : 0,
      renewable: top.renewable === true,
    },
  }
}

function parseAuth(auth: Record<string, unknown>): VaultAuth {
  return {
    token: new Secret(text(auth.client_token, 'auth.client_token')),
    accessor: text(auth.accessor, 'auth.accessor'),
    policies: texts(auth.policies),
    entityId: typeof auth.entity_id === 'string' ? auth.entity_id : '',
    leaseSeconds: number(auth.lease_duration, 'auth.lease_duration'),
    renewable: auth.renewable === true,
    metadata: isRecord(auth.metadata) ? auth.metadata : {},
  }
}

function parseWrap(wrap: Record<string, unknown>): WrapInfo {
  return {
    token: new Secret(text(wrap.token, 'wrap_info.token')),
    accessor: text(wrap.accessor, 'wrap_info.accessor'),
    ttl: number(wrap.ttl, 'wrap_info.ttl'),
    creationPath: text(wrap.creation_path, 'wrap_info.creation_path'),
    wrappedAccessor: typeof wrap.wrapped_accessor === 'string' ? wrap.wrapped_accessor : '',
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (!isRecord(value)) throw new TypeError(`Vault's ${where} is not an object`)
  return value
}

/** A text that must be there; `where` names it in the error. */
export function text(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new TypeError(`Vault's ${where} is not text`)
  return value
}

/** A number that must be there; `where` names it in the error. */
export function number(value: unknown, where: string): number {
  if (typeof value !== 'number') throw new TypeError(`Vault's ${where} is not a number`)
  return value
}

/** The texts of a list; whatever else is in it is left out, for there is JSON that cannot even be turned into text. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}
