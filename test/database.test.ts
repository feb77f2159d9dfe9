import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createTestDatabase } from './database.ts'
import { databaseName, ownerOf } from './database-name.ts'

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

test('each test database is empty and apart from the others', async () => {
  const databases = await Promise.all([1, 2, 3].map(createTestDatabase))
  for (const { url } of databases) await query(url, 'create table same_name (n int)')
  expect(new Set(databases.map(one => one.url)).size).toBe(3)
  await Promise.all(databases.map(one => one.drop()))
})

test('drop removes it although somebody is connected', async () => {
  const { url, drop } = await createTestDatabase()
  const client = new Client({ connectionString: url })
  const cut = new Promise(resolve => client.on('error', resolve))
  await client.connect()
  await drop()
  await cut
  await expect(query(url, 'select 1')).rejects.toThrow('does not exist')
})

test('a name tells who made it, and a name of somebody else does not', () => {
  expect(ownerOf(databaseName())).toBe(process.pid)
  for (const name of ['postgres', 't_1_short', 't_x_000000000000', 'template1']) expect(ownerOf(name)).toBeUndefined()
})
