import { once } from 'node:events'
import { createServer } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { SilentWay } from '../../../test/silent-way.ts'
import type { ErrorBody } from '../../protocol/error-body.ts'
import { WritError } from '../../protocol/errors.ts'
import { VaultError } from '../../vault/error.ts'
import { openDatabase } from '../store/database.ts'
import { answerError } from './errors.ts'

/** What is answered to a request that ends in this error. */
function answerTo(error: Error): ErrorBody & { http: number } {
  const log = { error: () => {}, info: () => {} }
  let http = 0
  let body: unknown
  const reply = {
    code: (status: number) => {
      http = status
      return reply
    },
    type: () => reply,
    send: (value: unknown) => {
      body = value
      return reply
    },
  }
  answerError(error, { id: 'req-1', log } as unknown as FastifyRequest, reply as unknown as FastifyReply)
  return { http, ...(body as ErrorBody) }
}

const thrownBy = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => expect.fail('no error'),
    (error: unknown) => error as Error,
  )

test('an error of the registry is its entry', () => {
  expect(answerTo(new WritError('job_not_found'))).toMatchObject({
    http: 404,
    code: 'job_not_found',
    error: 'not found',
  })
})

test('a Vault that is away is not an error inside', () => {
  const error = new VaultError({ status: 503, path: 'kv/a', errors: ['sealed'] })
  expect(answerTo(error)).toMatchObject({ http: 503, code: 'vault_unavailable' })
})

test('anything else is an error inside, named by the request and without its text', () => {
  const answer = answerTo(new Error('canary'))
  expect(answer).toMatchObject({ http: 500, code: 'internal', error: expect.stringContaining('req-1') })
  expect(JSON.stringify(answer)).not.toContain('canary')
})

test('a database that nobody serves, that breaks off, or that says nothing: unavailable', async () => {
  const breaking = createServer(socket => socket.once('data', () => socket.resetAndDestroy()))
  const closing = createServer(socket => socket.once('data', () => socket.end()))
  for (const server of [breaking, closing]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const db = openDatabase(`postgres://u@127.0.0.1:${port}/x`, () => {})
    const error = await thrownBy(db.selectFrom('jobs').select('id').execute())
    expect(answerTo(error)).toMatchObject({ http: 503, code: 'store_unavailable' })
    await db.destroy()
    server.close()
  }
  const nobody = openDatabase('postgres://u@127.0.0.1:1/x', () => {})
  expect(answerTo(await thrownBy(nobody.selectFrom('jobs').select('id').execute()))).toMatchObject({ http: 503 })
  await nobody.destroy()
})

test('a database that ends in the middle of a query: unavailable', async () => {
  const database = await createTestDatabase()
  const db = openDatabase(database.url, () => {})
  const query = thrownBy(sql`select pg_sleep(20)`.execute(db))
  await new Promise(resolve => setTimeout(resolve, 200))
  await database.drop()
  expect(answerTo(await query)).toMatchObject({ http: 503, code: 'store_unavailable' })
  await db.destroy()
})

test('a database that ends in the middle of a transaction, whose rollback fails as well: unavailable', async () => {
  const database = await createTestDatabase()
  const db = openDatabase(database.url, () => {})
  const error = await thrownBy(
    db.transaction().execute(tx => sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx)),
  )
  expect(answerTo(error)).toMatchObject({ http: 503, code: 'store_unavailable' })
  await db.destroy()
  await database.drop()
})

test('a database that vanishes in the middle of a query, or of a transaction: unavailable', async () => {
  const database = await createTestDatabase()
  const way = await SilentWay.open(database.url)
  const db = openDatabase(way.url, () => {}, { silenceMs: 300 })
  await sql`select 1`.execute(db)
  const vanishing = db.transaction().execute(async tx => {
    await sql`select 1`.execute(tx)
    way.silence()
    await sql`select 2`.execute(tx)
  })
  const errors = [await thrownBy(vanishing), await thrownBy(sql`select 3`.execute(db))]
  for (const error of errors) expect(answerTo(error)).toMatchObject({ http: 503, code: 'store_unavailable' })
  await db.destroy()
  await way.close()
  await database.drop()
})

test.each([
  ['a full disk', '53100'],
  ['no memory', '53200'],
  ['no connection left', '53300'],
  ['a disk that fails', '58030'],
  ['a database that takes no writes', '25006'],
  ['a statement that takes too long', '57014'],
  ['a transaction that takes too long', '25P03'],
  ['a password that is refused', '28P01'],
  ['no such user', '28000'],
])('%s: unavailable', async (_, code) => {
  const database = await createTestDatabase()
  const db = openDatabase(database.url, () => {})
  const raise = sql.raw(`do $$ begin raise exception 'said by the test' using errcode = '${code}'; end $$`)
  const all = [() => raise.execute(db), () => db.transaction().execute(tx => raise.execute(tx))]
  for (const work of all)
    expect(answerTo(await thrownBy(work()))).toMatchObject({ http: 503, code: 'store_unavailable' })
  await db.destroy()
  await database.drop()
})

test('a query that is wrong is an error inside', async () => {
  const database = await createTestDatabase()
  const db = openDatabase(database.url, () => {})
  const error = await thrownBy(db.selectFrom('jobs').select('id').execute())
  expect(answerTo(error)).toMatchObject({ http: 500, code: 'internal' })
  await db.destroy()
  await database.drop()
})

test('the limit of a connection that does not come about: unavailable', () => {
  expect(answerTo(new Error('timeout exceeded when trying to connect'))).toMatchObject({ http: 503 })
})
