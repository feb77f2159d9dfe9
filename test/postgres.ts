import { createHash } from 'node:crypto'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../src/server/store/embedded/postgres.ts'
import { ownerOf } from './database-name.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    databaseUrl: string
  }
}

/**
 * One PostgreSQL for the whole run: WRIT_TEST_DATABASE_URL, or an embedded one that runs of this checkout share, at once or one after
 * the other. Its folder has a fixed name, so that a killed run leaves nothing that the next one does not take over.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.WRIT_TEST_DATABASE_URL
  const checkout = createHash('sha256')
    .update(import.meta.dirname)
    .digest('hex')
    .slice(0, 8)
  const directory = `/tmp/writ-test-${process.getuid?.()}-${checkout}`
  const { url, stop } = given
    ? { url: given, stop: async () => undefined }
    : await startEmbeddedPostgres({ directory, share: true, maxConnections: 200 })
  if (!given) await dropAbandoned(url)
  project.provide('databaseUrl', url)
  return stop
}

/** Databases of runs that were killed. */
async function dropAbandoned(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query('select datname as name from pg_database')
    for (const { name } of rows) {
      const owner = ownerOf(name)
      if (owner !== undefined && !lives(owner)) await client.query(`drop database if exists ${name} with (force)`)
    }
  } finally {
    await client.end()
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
