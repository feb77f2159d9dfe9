import { setTimeout as sleep } from 'node:timers/promises'
import type { Check, Finding, Profile } from '../check.ts'
import type { Machine } from '../machine.ts'

const OLDEST = 15
const PATIENCE_MS = 5_000

export const postgres: Check = {
  name: 'postgres',
  needs: ['run', 'test', 'demo'],
  async probe(machine, profile) {
    const [variable, url] = given(machine, profile)
    return url ? probeServer(variable, url) : probeEmbedded()
  },
}

function given({ env }: Machine, profile: Profile): [string, string | undefined] {
  const variable = profile === 'test' ? 'WRIT_TEST_DATABASE_URL' : 'DATABASE_URL'
  return [variable, env[variable]]
}

async function probeServer(variable: string, url: string): Promise<Finding> {
  const { Client } = await import('pg')
  const client = new Client({ connectionString: url, connectionTimeoutMillis: PATIENCE_MS, query_timeout: PATIENCE_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query('show server_version')
    const version: string = rows[0].server_version
    if (Number.parseInt(version, 10) >= OLDEST) return { ok: true, detail: `${version} (${variable})` }
    return { ok: false, cause: `${variable} names PostgreSQL ${version}`, remedy: `Use PostgreSQL ${OLDEST} or newer` }
  } catch (error) {
    // never the address: it may hold a password
    const cause = `${variable} does not lead to a database: ${error instanceof Error ? error.message : 'no reason given'}`
    return { ok: false, cause, remedy: `Correct ${variable}, or unset it to use the embedded PostgreSQL` }
  } finally {
    // one that does not answer does not hang up either
    await Promise.race([client.end().catch(() => undefined), sleep(PATIENCE_MS, undefined, { ref: false })])
  }
}

async function probeEmbedded(): Promise<Finding> {
  const { embeddedPostgresVersion } = await import('../../../server/store/embedded/available.ts')
  try {
    return { ok: true, detail: `${await embeddedPostgresVersion()} (embedded)` }
  } catch (error) {
    const cause = error instanceof Error ? error.message : 'not usable'
    return { ok: false, cause, remedy: 'npm ci, or set DATABASE_URL' }
  }
}
