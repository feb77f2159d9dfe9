import { record } from '../audit/audit.ts'
import type { JobRuntime } from '../runtimes/runtime.ts'
import { containerName, INSTALLATION_LABEL } from './container.ts'
import type { Engine } from './engine.ts'

const OF_A_JOB = /^writ-([0-9a-f]{24})$/

/**
 * Removes containers of ours that no job needs any more: those of jobs that are not on record, or that have let go of everything,
 * which a node leaves behind that was slow and not dead. Those of other installations on the same engine are theirs.
 */
export async function reapContainers(engine: Engine): Promise<void> {
  await reapAt(engine, engine.runtime)
  await engine.runtime.tidy()
  for (const runtime of engine.kubernetes?.values() ?? []) await reapAt(engine, runtime)
}

async function reapAt(engine: Engine, runtime: JobRuntime): Promise<void> {
  // the engine first: a container that is there now had its row before
  const containers = await runtime.list(INSTALLATION_LABEL, engine.installation)
  const ids = containers.flatMap(({ name }) => OF_A_JOB.exec(name)?.[1] ?? [])
  if (ids.length > 0) {
    const rows = await engine.db.selectFrom('jobs').select(['id', 'released_at']).where('id', 'in', ids).execute()
    const needed = new Set(rows.filter(row => row.released_at === null).map(row => row.id))
    for (const id of ids.filter(each => !needed.has(each))) await reap(engine, runtime, id)
  }
}

async function reap(engine: Engine, runtime: JobRuntime, id: string): Promise<void> {
  const container = await runtime.find(containerName(id))
  if (!container) return
  await runtime.remove(container.name)
  engine.log.warn({ job: id, container: container.id }, 'a container that no job needs was removed')
  const detail = { container: container.id, leftover: true }
  await record(engine.db, { action: 'job.container_removed', job: id, actor: engine.node, detail })
}
