import { sql } from 'kysely'
import { askEngine } from '../e2e/engine.ts'
import { isVaultError } from '../src/vault/error.ts'
import { texts } from '../src/vault/response.ts'
import type { World } from './world.ts'

/** What jobs that have ended still hold, a line each. */
export async function leftovers(world: World): Promise<string[]> {
  const jobs = await world.db.selectFrom('jobs').select(['id', 'released_at']).execute()
  const ids = new Set(jobs.map(({ id }) => id))
  const found = jobs.filter(job => job.released_at === null).map(job => `${job.id} is not released`)
  const filters = encodeURIComponent(JSON.stringify({ label: ['writ.job'] }))
  const containers = JSON.parse((await askEngine(`/containers/json?all=1&filters=${filters}`)).toString()) as {
    Labels: Record<string, string>
    State: string
  }[]
  for (const { Labels, State } of containers) {
    if (ids.has(Labels['writ.job'] ?? '')) found.push(`the container of ${Labels['writ.job']} is still there: ${State}`)
  }
  found.push(...(await keptByTheDead(world)))
  const leases = await world.db.selectFrom('leases').select('job_id').execute()
  found.push(...leases.map(lease => `a lease of ${lease.job_id} is on record`))
  const { rows } = await sql<{ name: string }>`select rolname as name from pg_roles where rolname like 'v-%'`.execute(
    world.db,
  )
  found.push(...rows.map(({ name }) => `the login ${name} is still there`))
  return [...found, ...(await tokensOfJobs(world))]
}

/** What nodes that are gone kept for jobs to come. */
async function keptByTheDead({ db }: World): Promise<string[]> {
  const { id } = await db.selectFrom('installation').select('id').executeTakeFirstOrThrow()
  const living = await db.selectFrom('nodes').select('id').where('alive_until', '>', sql<Date>`now()`).execute()
  const alive = new Set(living.map(node => node.id))
  const found: string[] = []
  for (const label of ['writ.pause', 'writ.warm']) {
    const filters = encodeURIComponent(JSON.stringify({ label: [label, `writ.installation=${id}`] }))
    const kept = JSON.parse((await askEngine(`/containers/json?all=1&filters=${filters}`)).toString()) as {
      Labels: Record<string, string>
      State: string
    }[]
    for (const { Labels, State } of kept) {
      const node = Labels['writ.node'] ?? ''
      if (!alive.has(node)) found.push(`${Labels[label]} of ${node}, which is gone, is still there: ${State}`)
    }
  }
  return found
}

async function tokensOfJobs({ vault, root }: World): Promise<string[]> {
  const list = await vault.send({ method: 'LIST', path: 'auth/token/accessors', token: root })
  const found: string[] = []
  for (const accessor of (list?.data?.keys ?? []) as string[]) {
    try {
      const body = { accessor }
      const answer = await vault.send({ method: 'POST', path: 'auth/token/lookup-accessor', token: root, body })
      if (texts(answer?.data?.policies).includes('writ-job')) found.push(`a token of a job lives: ${accessor}`)
    } catch (error) {
      // ended between the list and this question
      if (!isVaultError(error, 'invalid', 'denied', 'not_found')) throw error
    }
  }
  return found
}
