import { record } from '../audit/audit.ts'
import { forgetReservations } from '../store/idempotency.ts'
import { deleteExpired, forgetIdleQueues } from '../store/jobs.ts'
import { forgetNodes } from '../store/nodes.ts'
import type { Engine } from './engine.ts'

/** By then what a node kept on an engine has been cleared away by who uses that engine too, or is so old that whoever comes to use it knows it by that. */
const GONE_MS = 600_000

/** Takes away records and outputs that have been kept for as long as they are to be. What the audit trail says of them stays. */
export async function removeExpired(engine: Engine): Promise<void> {
  await forgetIdleQueues(engine.db)
  await forgetReservations(engine.db)
  await forgetNodes(engine.db, GONE_MS)
  await engine.db.transaction().execute(async tx => {
    const ids = await deleteExpired(tx, engine.settings.retentionSeconds * 1000)
    for (const id of ids) await record(tx, { action: 'job.expired', job: id, actor: engine.node })
  })
}
