import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { actorOf } from '../jobs/submit.ts'
import type { Tx } from '../store/database.ts'
import { listKeys } from '../store/watch-keys.ts'
import { listRequests } from '../store/watch-requests.ts'
import { listTasks } from '../store/watch-tasks.ts'
import {
  deleteWatch,
  findWatch,
  insertWatch,
  listWatches,
  lockWatch,
  updateWatch,
  type Watch,
} from '../store/watches.ts'
import { permitted, requireWatch } from './caller.ts'
import { checkWatchName } from './names.ts'

/** The type of the engine, under the names that people register it with. */
const TYPES = new Set(['flant_gitops', 'flant-gitops', 'vault-plugin-flant-gitops', 'writ'])

export function isWatchType(type: string): boolean {
  return TYPES.has(type)
}

/** The watches that the caller may read. */
export async function visibleWatches(engine: Engine, caller: Caller): Promise<Watch[]> {
  const watches = await listWatches(engine.db)
  const names = new Set(
    await permitted(
      engine,
      caller,
      watches.map(watch => watch.name),
      ['read', 'list'],
    ),
  )
  return watches.filter(watch => names.has(watch.name))
}

/**
 * `vault secrets enable -path=NAME flant_gitops`. One that is there and was never used gives way, so that the mount which is there
 * from the start may be enabled under either spelling. Throws `watch_name_invalid`, `watch_exists`, `watch_not_permitted`.
 */
export async function enableWatch(engine: Engine, caller: Caller, name: string, description: string): Promise<void> {
  checkWatchName(name)
  await requireWatch(engine, caller, name, 'create', 'update')
  await engine.db.transaction().execute(async tx => {
    if (!(await insertWatch(tx, { name, description }))) {
      const there = await lockWatch(tx, name)
      if (!there || isInUse(there) || (await hasRecords(tx, there.name)))
        throw new WritError(
          'watch_exists',
          there ? `${there.name}/` : `${name}/ differs from another name only in case`,
        )
      await updateWatch(tx, there.name, { name, description })
    }
    await record(tx, { action: 'watch.created', actor: actorOf(caller), detail: { watch: name } })
  })
}

/**
 * Anything at all that somebody wrote. The attack: whoever may make `a-b` and nothing else would take over `a_b` with the password for
 * its repository, which was written before the configuration, and send it to a server of theirs.
 */
function isInUse(watch: Watch): boolean {
  const { configuration, access, vaults, kubernetes_job, task_configuration } = watch
  const { sealed_git_credential, sealed_ssh_key, sealed_webhook_secret } = watch
  const written = [configuration, access, vaults, kubernetes_job, task_configuration]
  const secrets = [sealed_git_credential, sealed_ssh_key, sealed_webhook_secret]
  return (
    [...written, ...secrets].some(record => record !== null) ||
    watch.accepted_commit !== '' ||
    Object.keys(watch.options).length > 0
  )
}

async function hasRecords(tx: Tx, watch: string): Promise<boolean> {
  const [keys, requests, tasks] = [
    await listKeys(tx, watch),
    await listRequests(tx, watch),
    await listTasks(tx, watch, 1),
  ]
  return keys.length + requests.length + tasks.length > 0
}

/** `vault secrets disable NAME`: with everything that is kept of it; its jobs stay. Throws `watch_busy` while one runs. */
export async function disableWatch(engine: Engine, caller: Caller, name: string): Promise<void> {
  const watch = await findWatch(engine.db, name)
  await requireWatch(engine, caller, watch?.name ?? name, 'delete')
  // as in Vault, where disabling what is not there succeeds
  if (!watch) return
  await engine.db.transaction().execute(async tx => {
    const locked = await lockWatch(tx, watch.name)
    if (!locked) return
    const running = await tx
      .selectFrom('watch_tasks')
      .select('id')
      .where('watch', '=', locked.name)
      .where(eb => eb.or([eb('state', '=', 'started'), eb('sealed_vault_token', 'is not', null)]))
      .executeTakeFirst()
    // its record is how the end of the run and the token of its requests are found
    if (running) throw new WritError('watch_busy')
    await deleteWatch(tx, locked.name)
    await record(tx, { action: 'watch.removed', actor: actorOf(caller), detail: { watch: locked.name } })
  })
}
