import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { WritError } from '../../protocol/errors.ts'
import { destroySecretId, loginAppRole, newSecretId } from '../../vault/approle.ts'
import { Vault } from '../../vault/client.ts'
import { isVaultError } from '../../vault/error.ts'
import type { VaultAuth } from '../../vault/response.ts'
import { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import type { Engine } from '../jobs/engine.ts'
import { unseal } from '../jobs/sealed.ts'
import type { WatchAccess } from '../store/watch-schema.ts'
import type { Watch } from '../store/watches.ts'
import { type Fields, refused } from './fields.ts'

const SHORTEST_TTL = 120

/**
 * Reads `configure_vault_access` (gitops.md §4.4), in the order of flant_gitops. The SecretID is apart from the rest, which is not
 * secret. `token_ttl` is ignored, as it always was. Throws `watch_field_invalid`.
 */
export function readAccess(fields: Fields): { access: WatchAccess; secretId: Secret } {
  const required = (name: string): string => {
    const value = fields.text(name)
    if (value === '') throw refused(`missing ${name}`)
    return value
  }
  const vault_addr = required('vault_addr')
  const url = URL.parse(vault_addr)
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password || url.search || url.hash)
    throw refused('incorrect vault_addr')
  const vault_tls_server_name = required('vault_tls_server_name')
  const vault_cacert = fields.text('vault_cacert')
  if (vault_cacert !== '' && !/-----BEGIN [A-Z0-9 ]+-----/.test(vault_cacert)) throw refused('incorrect vault_cacert')
  const role_name = required('role_name')
  const role_id = required('role_id')
  const secretId = new Secret(required('secret_id'))
  const secret_id_ttl = fields.seconds('secret_id_ttl', 0)
  if (secret_id_ttl < SHORTEST_TTL) throw refused(`incorrect secret_id_ttl must be >= ${SHORTEST_TTL}s`)
  const mount = required('approle_mount_point').replace(/^\/*(?:auth\/+)?|\/+$/g, '')
  if (mount === '') throw refused('missing approle_mount_point')
  for (const part of [role_name, ...mount.split('/')]) {
    if (!/^[\w.-]+$/.test(part) || /^\.+$/.test(part))
      throw refused('role_name and approle_mount_point are plain names')
  }
  const rest = { role_name, role_id, secret_id_ttl, approle_mount_point: mount }
  return { access: { vault_addr, vault_tls_server_name, vault_cacert, ...rest }, secretId }
}

/**
 * A client for the Vault of a watch. Certificates are checked, at loopback too: flant_gitops switched the check off there, so that
 * whoever got the port got the SecretID (gitops.md §19, 5).
 */
export function accessVault(access: WatchAccess): Vault {
  const secure = access.vault_addr.startsWith('https:')
  return new Vault({
    address: access.vault_addr,
    ca: access.vault_cacert || undefined,
    serverName: secure ? access.vault_tls_server_name : undefined,
  })
}

async function login(vault: Vault, access: WatchAccess, secretId: Secret, signal?: AbortSignal): Promise<VaultAuth> {
  return await loginAppRole(vault, { roleId: access.role_id, secretId }, signal, access.approle_mount_point)
}

/**
 * Replaces a SecretID by a new one (gitops.md §11.2): the old one stays good until the new one has logged in and is on record, and
 * is destroyed after that. `keep` puts the new one on record and says whether it did; if it did not, the new one is destroyed.
 */
export async function renewSecretId(
  vault: Vault,
  access: WatchAccess,
  old: Secret,
  keep: (secretId: Secret) => Promise<boolean>,
  signal?: AbortSignal,
): Promise<boolean> {
  const role = { mount: access.approle_mount_point, role: access.role_name }
  const first = await login(vault, access, old, signal)
  const fresh = await newSecretId(vault, first.token, role, signal)
  await forget(vault, first.token)
  const second = await login(vault, access, fresh, signal)
  try {
    const kept = await keep(fresh)
    await destroySecretId(vault, second.token, { ...role, secretId: kept ? old : fresh }, signal)
    return kept
  } finally {
    await forget(vault, second.token)
  }
}

/** Destroys a SecretID that was replaced and could not be destroyed then. */
export async function destroyOld(
  vault: Vault,
  access: WatchAccess,
  { secretId, old }: { secretId: Secret; old: Secret },
  signal: AbortSignal,
): Promise<void> {
  const { token } = await login(vault, access, secretId, signal)
  try {
    const role = { mount: access.approle_mount_point, role: access.role_name, secretId: old }
    await destroySecretId(vault, token, role, signal)
  } finally {
    await forget(vault, token)
  }
}

/** A login for the requests of one run. Another node may have replaced the SecretID just now: then once more, with the new one. */
export async function loginForRun(
  engine: Engine,
  vault: Vault,
  access: WatchAccess,
  current: () => Promise<Watch>,
  signal?: AbortSignal,
): Promise<VaultAuth> {
  for (let tried = 0; ; tried += 1) {
    const watch = await current()
    if (!watch.access || !watch.sealed_secret_id) throw new WritError('watch_access_missing')
    // moved in this moment: the SecretID of the other Vault is not for this one
    if (!isDeepStrictEqual(watch.access, access)) throw new WritError('watch_changed')
    const [secretId = ''] = await unseal(engine, [watch.sealed_secret_id], signal)
    try {
      return await login(vault, watch.access, new Secret(secretId), signal)
    } catch (error) {
      if (!isVaultError(error, 'invalid', 'denied') || tried === 2) throw accessError(error)
      await sleep(250, undefined, { signal })
    }
  }
}

async function forget(vault: Vault, token: Secret): Promise<void> {
  // it dies by itself soon; gitops.md §11.2, 4: only warned about
  await revokeSelf(vault, token, AbortSignal.timeout(5_000)).catch(() => {})
}

/** What Vault says, with its own words: they name paths and reasons, no values. One that is away is not a refusal. */
export function accessError(error: unknown): unknown {
  if (!isVaultError(error)) return error
  if (error.kind === 'unavailable') return new WritError('watch_vault_unavailable', error.message, { cause: error })
  return new WritError('watch_access_failed', error.message, { cause: error })
}
