import type { Vault } from './client.ts'
import { understood, VaultError } from './error.ts'
import { isRecord, number, text, texts, type VaultAuth, type WrapInfo } from './response.ts'
import type { Secret } from './secret.ts'
import type { Signal } from './signal.ts'

/** What Vault knows of a token (`auth/token/lookup-self`). */
export interface TokenFacts {
  readonly accessor: string
  readonly displayName: string
  /** Empty for tokens without an identity, root tokens among them. */
  readonly entityId: string
  readonly policies: readonly string[]
  /** Seconds left; 0 never expires. */
  readonly ttl: number
  /** Seconds that it was made for; 0 for ever. */
  readonly creationTtl: number
  readonly renewable: boolean
  /** Of an AppRole login, `role_name` among others. */
  readonly meta: Readonly<Record<string, unknown>>
}

export async function lookupSelf(vault: Vault, token: Secret, signal?: AbortSignal): Promise<TokenFacts> {
  const path = 'auth/token/lookup-self'
  const answer = await vault.send({ method: 'GET', path, token, signal })
  const data = answer?.data
  if (!data) throw new VaultError({ status: 0, path, errors: ['an answer without data'] })
  return understood(path, () => ({
    accessor: text(data.accessor, 'accessor'),
    displayName: typeof data.display_name === 'string' ? data.display_name : '',
    entityId: typeof data.entity_id === 'string' ? data.entity_id : '',
    policies: texts(data.policies),
    ttl: secondsLeft(data),
    creationTtl: typeof data.creation_ttl === 'number' ? data.creation_ttl : 0,
    renewable: data.renewable === true,
    meta: isRecord(data.meta) ? data.meta : {},
  }))
}

/** Vault counts whole seconds: in its last one a token shows the same 0 as one that never expires, which has no `expire_time`. */
function secondsLeft(data: Readonly<Record<string, unknown>>): number {
  const ttl = number(data.ttl, 'ttl')
  return typeof data.expire_time === 'string' ? Math.max(1, ttl) : ttl
}

/** Fields of `auth/token/create`. The limit of uses is `num_uses`: Vault ignores the command line's `use_limit` without a word. */
export interface TokenRequest {
  readonly policies: readonly string[]
  readonly ttl?: string
  readonly num_uses?: number
  readonly display_name?: string
  readonly renewable?: boolean
  readonly no_parent?: boolean
  readonly meta?: Readonly<Record<string, string>>
  readonly no_default_policy?: boolean
}

export async function createToken(
  vault: Vault,
  token: Secret,
  wanted: TokenRequest,
  signal?: AbortSignal,
): Promise<VaultAuth> {
  const path = 'auth/token/create'
  const answer = await vault.send({ method: 'POST', path, token, body: wanted, signal })
  return requireAuth(path, answer?.auth)
}

/** A token that only whoever opens the wrap will see. `wrapTtl` in seconds. */
export async function createWrappedToken(
  vault: Vault,
  token: Secret,
  wanted: TokenRequest,
  wrapTtl: number,
  signal?: Signal,
): Promise<WrapInfo> {
  const path = 'auth/token/create'
  const answer = await vault.send({ method: 'POST', path, token, body: wanted, wrapTtl: String(wrapTtl), signal })
  return requireWrap(path, answer?.wrap)
}

/** Renews the caller's own token. Spends one of its uses. */
export async function renewSelf(vault: Vault, token: Secret, signal?: AbortSignal): Promise<VaultAuth> {
  const path = 'auth/token/renew-self'
  const answer = await vault.send({ method: 'POST', path, token, body: {}, signal })
  return answeredAuth(path, answer?.auth)
}

/** Renews another token by its accessor, which spends none of its uses. Answers the seconds it lives from now. */
export async function renewAccessor(
  vault: Vault,
  token: Secret,
  accessor: string,
  signal?: AbortSignal,
): Promise<number> {
  const path = 'auth/token/renew-accessor'
  const answer = await vault.send({ method: 'POST', path, token, body: { accessor }, signal })
  // without the token, which whoever has the accessor only must not see
  return answeredAuth(path, answer?.auth).leaseSeconds
}

/** Revokes the caller's own token. No error when it is gone already. */
export async function revokeSelf(vault: Vault, token: Secret, signal?: AbortSignal): Promise<void> {
  await forgiveGone(vault.send({ method: 'POST', path: 'auth/token/revoke-self', token, signal }))
}

/** Revokes another token, its children and its leases, by its accessor. No error when it is gone already. */
export async function revokeAccessor(
  vault: Vault,
  token: Secret,
  accessor: string,
  signal?: AbortSignal,
): Promise<void> {
  const path = 'auth/token/revoke-accessor'
  try {
    await vault.send({ method: 'POST', path, token, body: { accessor }, signal })
  } catch (error) {
    // contract token-revoke-tree: an unknown accessor is a 400 `invalid accessor`
    const gone = error instanceof VaultError && error.errors.some(text => text.includes('invalid accessor'))
    if (!gone) throw error
  }
}

async function forgiveGone(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    // 403: the token does not exist any more; it was used up, expired or revoked, which is what was asked for
    if (!(error instanceof VaultError && error.kind === 'denied')) throw error
  }
}

/** The `wrap_info` part of an answer that must have one. */
export function requireWrap(path: string, wrap: WrapInfo | null | undefined): WrapInfo {
  if (!wrap?.token.reveal()) throw new VaultError({ status: 0, path, errors: ['an answer that is not wrapped'] })
  return wrap
}

/**
 * The `auth` part of an answer that must have one, with a token. The attack: a login that wants a second factor is answered with an empty
 * one, and would look like a login that is done.
 */
export function requireAuth(path: string, auth: VaultAuth | null | undefined): VaultAuth {
  const found = answeredAuth(path, auth)
  if (!found.token.reveal()) throw new VaultError({ status: 0, path, errors: ['an answer without a token'] })
  return found
}

function answeredAuth(path: string, auth: VaultAuth | null | undefined): VaultAuth {
  if (!auth) throw new VaultError({ status: 0, path, errors: ['an answer without auth'] })
  return auth
}
