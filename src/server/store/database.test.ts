import { sql } from 'kysely'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { checkStore, migrate, openDatabase } from './database.ts'

test('many nodes may migrate at the same moment', async () => {
  const database = await createTestDatabase()
  const nodes = Array.from({ length: 6 }, () => openDatabase(database.url, () => {}))
  try {
    await Promise.all(nodes.map(db => migrate(db)))
    const [db] = nodes
    if (!db) throw new Error('no node')
    const applied = async () => (await sql<{ name: string }>`select name from kysely_migration`.execute(db)).rows
    const names = (await applied()).map(({ name }) => name)
    expect(names).toEqual([...new Set(names)].sort())
    expect(names).toContain('002-audit')
    await migrate(db)
    expect(await applied()).toHaveLength(names.length)
  } finally {
    await Promise.all(nodes.map(db => db.destroy()))
    await database.drop()
  }
})

test('a database that is not there is said to be so, soon', async () => {
  const db = openDatabase('postgres://nobody@127.0.0.1:1/none', () => {})
  await expect(checkStore(db)).rejects.toMatchObject({ code: 'store_unavailable' })
  await db.destroy()
})

test('a connection that breaks while idle is reported and replaced', async () => {
  const database = await createTestDatabase()
  const errors: Error[] = []
  const db = openDatabase(database.url, error => errors.push(error))
  const other = openDatabase(database.url, () => {})
  try {
    await checkStore(db)
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
      other,
    )
    while (errors.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
    await checkStore(db)
  } finally {
    await db.destroy()
    await other.destroy()
    await database.drop()
  }
})

test('a connection that breaks in the middle of a transaction fails that one, and is no end of the process', async () => {
  const database = await createTestDatabase()
  const errors: Error[] = []
  const db = openDatabase(database.url, error => errors.push(error))
  const broken = db.transaction().execute(async tx => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(db)
    // nothing is asked of it while it breaks
    await expect.poll(() => errors.length).toBeGreaterThan(0)
    await sql`select 1`.execute(tx)
  })
  await expect(broken).rejects.toThrow()
  await expect(sql`select 1`.execute(db)).resolves.toBeDefined()
  await db.destroy()
  await database.drop()
})

test('a database that takes no writes, as one that others have taken the place of, is said to be so, and left', async () => {
  const database = await createTestDatabase()
  const admin = openDatabase(database.url, () => {})
  const [{ name }] = (await sql<{ name: string }>`select current_database() as name`.execute(admin)).rows as [
    { name: string },
  ]
  await sql`create table things (n integer)`.execute(admin)
  // counts for connections that are made from now on, as another address behind the same name does
  await sql`alter database ${sql.id(name)} set default_transaction_read_only = on`.execute(admin)
  const db = openDatabase(database.url, () => {})
  const write = () => sql`insert into things values (1)`.execute(db)
  await expect(checkStore(db)).rejects.toMatchObject({ code: 'store_unavailable' })
  await expect(write()).rejects.toMatchObject({ code: '25006' })
  await expect(db.transaction().execute(tx => sql`insert into things values (1)`.execute(tx))).rejects.toThrow()
  await sql`alter database ${sql.id(name)} reset default_transaction_read_only`.execute(admin)
  await write()
  await db.transaction().execute(tx => sql`insert into things values (1)`.execute(tx))
  await checkStore(db)
  await db.destroy()
  await admin.destroy()
  await database.drop()
})

test('a database without a connection left refuses, and takes up again', async () => {
  const database = await createTestDatabase()
  const admin = openDatabase(database.url, () => {})
  const role = `few_${Math.random().toString(36).slice(2, 10)}`
  await sql`create role ${sql.id(role)} login connection limit 1`.execute(admin)
  const url = database.url.replace(/^(\w+:\/\/)[^/@]*@?/, `$1${role}@`)
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  const db = openDatabase(url, () => {})
  await expect(sql`select 1`.execute(db)).rejects.toMatchObject({ code: '53300' })
  await other.end()
  await expect.poll(() => sql`select 1`.execute(db).catch(() => null)).not.toBeNull()
  await db.destroy()
  await sql`drop role ${sql.id(role)}`.execute(admin)
  await admin.destroy()
  await database.drop()
})
