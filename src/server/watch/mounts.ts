import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { actorOf } from '../jobs/submit.ts'
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
      if (!there || isInUse(there)) throw new WritError('watch_exists', `${there?.name ?? name}/`)
      await updateWatch(tx, there.name, { name, description })
    }
    await record(tx, { action: 'watch.created', actor: actorOf(caller), detail: { watch: name } })
  })
}

function isInUse(watch: Watch): boolean {
  return watch.configuration !== null || watch.access !== null || watch.accepted_commit !== ''
}

/** `vault secrets disable NAME`: with everything that is kept of it; its jobs stay. Throws `watch_busy` while one runs. */
export async function disableWatch(engine: Engine, caller: Caller, name: string): Promise<void> {
  const watch = await findWatch(engine.db, name)
  // as in Vault, where disabling what is not there succeeds
  if (!watch) return
  await requireWatch(engine, caller, watch.name, 'delete')
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
