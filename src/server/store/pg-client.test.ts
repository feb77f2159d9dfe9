import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { PgClient } from './pg-client.ts'

/** Sizes around the limit above which a value goes out as it is. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 32 * 1024 - 2, max: 32 * 1024 + 2 }).map(size => randomBytes(size)),
  fc.constantFrom(1, 5).map(size => randomBytes(size * 100_000)),
)
const value = fc.oneof(
  bytes.map(some => Buffer.from(some)),
  fc.string({ unit: fc.constantFrom('a', 'ä', '☃', '\n') }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
)
const typeOf = (some: unknown) => (Buffer.isBuffer(some) ? 'bytea' : 'text')
const asText = (some: unknown) => (some === null || Buffer.isBuffer(some) ? some : String(some))

test('whatever is bound arrives as from the usual client, and the connection goes on', async () => {
  const database = await createTestDatabase()
  const clients = [new PgClient({ connectionString: database.url }), new pg.Client({ connectionString: database.url })]
  try {
    await Promise.all(clients.map(client => client.connect()))
    const bound = fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 6 }), async values => {
      const columns = values.map((some, n) => `$${n + 1}::${typeOf(some)} as c${n}`).join(', ')
      for (const client of clients) {
        const { rows } = await client.query(`select ${columns}`, [...values])
        expect(Object.values(rows[0])).toEqual(values.map(asText))
        expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      }
    })
    await fc.assert(bound, { numRuns: 60 })
  } finally {
    await Promise.all(clients.map(client => client.end()))
    await database.drop()
  }
})

test('a large value is not copied on its way out, and one that is refused breaks nothing', async () => {
  const database = await createTestDatabase()
  const client = new PgClient({ connectionString: database.url })
  try {
    await client.connect()
    const written: unknown[] = []
    const { stream } = (client as unknown as { connection: pg.Connection }).connection
    const write = stream.write.bind(stream) as (data: unknown) => boolean
    stream.write = (data: unknown) => {
      written.push(data)
      return write(data)
    }
    const large = randomBytes(300_000)
    const values = [large, 'small']
    await client.query('select octet_length($1::bytea), $2::text', values)
    expect(written.some(part => part === large)).toBe(true)
    // the list is held for longer than anyone needs it
    expect(values).toEqual([null, 'small'])
    await expect(client.query('select 1 / octet_length($1::bytea) / 0', [large])).rejects.toMatchObject({
      code: '22012',
    })
    expect((await client.query('select octet_length($1::bytea) as n', [large])).rows).toEqual([{ n: 300_000 }])
  } finally {
    await client.end()
    await database.drop()
  }
})

test('a statement that is planned once gives the same, is planned once, and survives a change of its table', async () => {
  const database = await createTestDatabase()
  const client = new PgClient({ connectionString: database.url })
  const prepared = async () =>
    (await client.query("select statement from pg_prepared_statements where statement like '/*%'")).rows.length
  try {
    await client.connect()
    await client.query('create table things (name text)')
    await client.query("insert into things values ('one'), ('two')")
    const ask = (name: string) => client.query('/* planned once */ select * from things where name = $1', [name])
    expect((await ask('one')).rows).toEqual([{ name: 'one' }])
    expect((await ask('two')).rows).toEqual([{ name: 'two' }])
    expect(await prepared()).toBe(1)
    await client.query('alter table things add column size integer')
    expect((await ask('one')).rows).toEqual([{ name: 'one', size: null }])
    expect((await ask('two')).rows).toEqual([{ name: 'two', size: null }])
    expect(await prepared()).toBe(2)
    await client.query('alter table things drop column size')
    await client.query('begin')
    await expect(ask('one')).rejects.toThrow('aborted')
    await client.query('rollback')
    expect((await ask('one')).rows).toEqual([{ name: 'one' }])
    await expect(client.query('/* planned once */ select $1::integer / 0', [1])).rejects.toThrow('division by zero')
    expect((await ask('one')).rows).toEqual([{ name: 'one' }])
  } finally {
    await client.end()
    await database.drop()
  }
})
