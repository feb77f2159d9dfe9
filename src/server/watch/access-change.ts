import { Secret } from '../../vault/secret.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { seal, unseal } from '../jobs/sealed.ts'
import { claimMaintenance, dueAccess, replaceSecretId } from '../store/watch-access.ts'
import { updateWatch, type Watch } from '../store/watches.ts'
import { accessError, accessVault, destroyOld, readAccess, renewSecretId } from './access.ts'
import { changeWatch } from './change.ts'
import type { Fields } from './fields.ts'

/**
 * Takes an AppRole over (gitops.md §4.4): logs in with what was sent, makes a SecretID of its own, and only then is it on record.
 * Always with a client made of what was sent; flant_gitops used the old one, so that no watch could move to another Vault.
 * Throws `watch_field_invalid`, `watch_access_failed`, `watch_vault_unavailable`.
 */
export async function configureAccess(engine: Engine, caller: Caller, watch: Watch, fields: Fields): Promise<void> {
  const { access, secretId } = readAccess(fields)
  const vault = accessVault(access)
  const { vault_addr, role_name, approle_mount_point } = access
  try {
    await renewSecretId(vault, access, secretId, async fresh => {
      const [sealed = ''] = await seal(engine, [fresh.reveal()])
      const detail = { vault_addr, role_name, approle_mount_point }
      await changeWatch(engine, caller, watch, 'configure_vault_access', detail, async () => ({
        access: JSON.stringify(access),
        sealed_secret_id: sealed,
        sealed_old_secret_id: null,
        secret_id_renewed_at: new Date(),
      }))
      return true
    })
  } catch (error) {
    throw accessError(error)
  } finally {
    await vault.close()
  }
}

/** Of the life of a SecretID: how much passes before it is replaced (gitops.md §11.4). */
const SHARE = 0.1
/** How long another node leaves a replacement alone that did not come to an end. */
const LEASE_MS = 60_000

/** An answer that comes in drops would otherwise never end. */
const PATIENCE_MS = 45_000

/**
 * Replaces SecretIDs that are due and destroys those that were replaced and could not be destroyed then. All at once and not for ever:
 * the Vault of one watch must not let the SecretIDs of others expire.
 */
export async function maintainAccess(engine: Engine): Promise<void> {
  await Promise.all((await dueAccess(engine.db, SHARE)).map(async name => await maintain(engine, name)))
}

async function maintain(engine: Engine, name: string): Promise<void> {
  const watch = await claimMaintenance(engine.db, name, LEASE_MS)
  if (!watch?.access || !watch.sealed_secret_id) return
  try {
    await replace(engine, watch as Watch & { sealed_secret_id: string }, AbortSignal.timeout(PATIENCE_MS))
  } catch (error) {
    engine.log.warn({ watch: name, err: accessError(error) }, 'the SecretID of a watch was not replaced; trying again')
  }
}

async function replace(
  engine: Engine,
  watch: Watch & { sealed_secret_id: string },
  signal: AbortSignal,
): Promise<void> {
  const { access, sealed_secret_id, sealed_old_secret_id } = watch
  if (!access) return
  const [current = '', replaced] = await unseal(
    engine,
    [sealed_secret_id, sealed_old_secret_id].filter(text => text !== null),
  )
  const vault = accessVault(access)
  try {
    if (replaced !== undefined) {
      await destroyOld(vault, access, { secretId: new Secret(current), old: new Secret(replaced) }, signal)
      await updateWatch(engine.db, watch.name, { sealed_old_secret_id: null })
    }
    const keep = async (fresh: Secret) => {
      const [sealed = ''] = await seal(engine, [fresh.reveal()])
      return await engine.db.transaction().execute(async tx => {
        const kept = await replaceSecretId(tx, watch.name, { from: sealed_secret_id, to: sealed })
        if (kept) {
          await record(tx, { action: 'watch.secret_id_replaced', actor: engine.node, detail: { watch: watch.name } })
        }
        return kept
      })
    }
    await renewSecretId(vault, access, new Secret(current), keep, signal)
    await updateWatch(engine.db, watch.name, { sealed_old_secret_id: null, maintained_until: null })
  } finally {
    await vault.close()
  }
}
