import { Client } from 'pg'
import { inject } from 'vitest'
import { databaseName } from './database-name.ts'
import './postgres.ts' // for the type of what it provides

export interface TestDatabase {
  /** For a `pg` pool. */
  readonly url: string
  /** Removes it, whoever is still connected. */
  drop(): Promise<void>
}

/** An empty database of one's own: in `beforeAll` of a test file, dropped in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('databaseUrl')
  const name = databaseName()
  await administer(server, `create database ${name}`)
  // by hand, since an address without a host, as that of a socket, is not a URL for the URL class
  const url = server.replace(/^(\w+:\/\/[^/]*)\/?[^?]*/, `$1/${name}`)
  return { url, drop: () => administer(server, `drop database if exists ${name} with (force)`) }
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
