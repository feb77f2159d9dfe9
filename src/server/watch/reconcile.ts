import { WritError } from '../../protocol/errors.ts'
import type { Engine } from '../jobs/engine.ts'
import { failure } from '../jobs/outcome.ts'
import { orphanedTasks } from '../store/watch-tasks.ts'
import { endCommit } from './end.ts'

/**
 * Ends tasks whose job is not there any more, by whatever hand: without it, such a watch would wait for an end that cannot come. What
 * became of the commands is not known then, so they are not run again by themselves.
 */
export async function reconcile(engine: Engine): Promise<void> {
  for (const { job_id } of await orphanedTasks(engine.db)) {
    if (job_id === null) continue
    await engine.db.transaction().execute(async tx => {
      await endCommit(tx, engine.node, { id: job_id }, failure(new WritError('container_lost')))
    })
  }
}
