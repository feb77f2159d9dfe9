import type { Updateable } from 'kysely'
import { WritError } from '../../protocol/errors.ts'
import { record } from '../audit/audit.ts'
import type { Caller } from '../jobs/caller.ts'
import type { Engine } from '../jobs/engine.ts'
import { actorOf } from '../jobs/submit.ts'
import type { Tx } from '../store/database.ts'
import type { WatchesTable } from '../store/watch-schema.ts'
import { lockWatch, lookAgain, updateWatch, type Watch } from '../store/watches.ts'

/**
 * Changes a watch: the change, its audit entry and the wish to have it looked at are one transaction. `detail` goes on the audit
 * trail and must hold nothing secret. Throws `watch_not_found` when it was removed meanwhile.
 */
export async function changeWatch(
  engine: Engine,
  caller: Caller,
  watch: Pick<Watch, 'name'>,
  path: string,
  detail: Readonly<Record<string, unknown>>,
  change: (tx: Tx, watch: Watch) => Promise<Updateable<WatchesTable> | undefined>,
): Promise<void> {
  await engine.db.transaction().execute(async tx => {
    const locked = await lockWatch(tx, watch.name)
    if (!locked) throw new WritError('watch_not_found')
    const changed = await change(tx, locked)
    if (changed) await updateWatch(tx, locked.name, changed)
    await record(tx, {
      action: 'watch.configured',
      actor: actorOf(caller),
      detail: { watch: locked.name, path, ...detail },
    })
    await lookAgain(tx, locked.name)
  })
}
