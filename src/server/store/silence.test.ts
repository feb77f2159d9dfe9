import { sql } from 'kysely'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../../test/certificate.ts'
import { createTestDatabase } from '../../../test/database.ts'
import { SilentWay } from '../../../test/silent-way.ts'
import { Secret } from '../../vault/secret.ts'
import { type Database, openDatabase } from './database.ts'
import type { DatabaseAddress } from './logins.ts'
import { Wakeups } from './wakeups.ts'

/* A database that vanishes without a word: no connection ends, and nothing comes any more. */

const database = await createTestDatabase()
const direct = openDatabase(database.url, () => {})
const open: { db?: Database; wakeups?: Wakeups; way: SilentWay }[] = []
afterEach(async () => {
  for (const { db, wakeups, way } of open.splice(0)) {
    await Promise.all([db?.destroy(), wakeups?.close()])
    await way.close()
  }
})
afterAll(async () => {
  await direct.destroy()
  await database.drop()
})

const SILENCE_MS = 600
/** Far below what the kernel would wait, and above what a busy machine takes. */
const BOUND_MS = 10_000

async function take(how: 'address' | 'logins', tls: boolean) {
  const way = await SilentWay.open(database.url, tls ? selfSigned() : undefined)
  const { username, password } = new URL(way.url)
  const login = { user: username, password: new Secret(decodeURIComponent(password)) }
  const changes: (() => Promise<void>)[] = []
  const logins = {
    current: () => login,
    onChange: (tell: () => Promise<void>) => void changes.push(tell),
    refused: async () => false,
  }
  const url = way.url.replace(/\/\/[^@]*@/, '//')
  const address: DatabaseAddress = how === 'address' ? way.url : { url, logins }
  return { way, address, rotate: async () => void (await Promise.all(changes.map(tell => tell()))) }
}

async function connected(how: 'address' | 'logins' = 'address', tls = false, silenceMs = SILENCE_MS) {
  const { way, address, rotate } = await take(how, tls)
  const errors: Error[] = []
  const db = openDatabase(address, error => errors.push(error), { silenceMs })
  open.push({ db, way })
  await sql`select 1`.execute(db)
  return { db, way, errors, rotate }
}

/** How long it takes to fail, and with what. */
async function failure(work: Promise<unknown>): Promise<{ ms: number; error: Error }> {
  const start = performance.now()
  return await work.then(
    () => expect.fail('it did not fail'),
    (error: Error) => ({ ms: performance.now() - start, error }),
  )
}

const sessions = async () =>
  (
    await sql`select from pg_stat_activity where datname = current_database() and application_name = 'writ'`.execute(
      direct,
    )
  ).rows.length

describe.each([
  ['an address', 'address', false],
  ['an address with TLS', 'address', true],
  ['logins from elsewhere', 'logins', false],
] as const)('%s', (_, how, tls) => {
  test('what is asked fails in time, and when the database is back all of its connections are of use', async () => {
    const { db, way, errors } = await connected(how, tls)
    const reached = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const transaction = db.transaction().execute(async tx => {
      await sql`select 1`.execute(tx)
      reached.resolve()
      await goOn.promise
      await sql`select 2`.execute(tx)
    })
    transaction.catch(() => {})
    await reached.promise
    way.silence()
    goOn.resolve()
    const queries = Array.from({ length: 20 }, () => sql`select 3`.execute(db))
    for (const { ms } of await Promise.all([transaction, ...queries].map(failure))) expect(ms).toBeLessThan(BOUND_MS)
    expect(errors.map(({ message }) => message)).toContainEqual(expect.stringMatching(/said nothing/))
    way.speak()
    await sql`select 4`.execute(db)
    // as many as the pool has: none is lost
    await Promise.all(Array.from({ length: 10 }, () => sql`select pg_sleep(0.3)`.execute(db)))
    await expect.poll(sessions, { timeout: BOUND_MS }).toBeLessThanOrEqual(1 + 10)
  })

  test('it can be closed', async () => {
    const { db, way } = await connected(how, tls)
    way.silence()
    const hanging = failure(sql`select 1`.execute(db))
    const start = performance.now()
    await db.destroy()
    expect(performance.now() - start).toBeLessThan(BOUND_MS)
    await hanging
  })

  test('the connection that listens is made anew, everybody looks once, and it can be closed', async () => {
    const { way, address } = await take(how, tls)
    const wakeups = new Wakeups(address, () => {}, '', { silenceMs: SILENCE_MS })
    open.push({ way })
    await expect.poll(() => wakeups.listening).toBe(true)
    let looked = 0
    wakeups.onQueue(() => (looked += 1))
    // longer than it may be silent: one that is asked something now and then is not
    await new Promise(resolve => setTimeout(resolve, 4 * SILENCE_MS))
    expect(looked).toBe(0)
    way.silence()
    await expect.poll(() => wakeups.listening, { timeout: BOUND_MS }).toBe(false)
    way.speak()
    await expect.poll(() => wakeups.listening, { timeout: BOUND_MS }).toBe(true)
    expect(looked).toBe(1)
    way.silence()
    const start = performance.now()
    await wakeups.close()
    expect(performance.now() - start).toBeLessThan(BOUND_MS)
  })
})

test('another login while it is silent: the pool of the one before ends in time', async () => {
  const { db, way, rotate } = await connected('logins')
  way.silence()
  const hanging = failure(sql`select 1`.execute(db))
  const start = performance.now()
  await rotate()
  expect(performance.now() - start).toBeLessThan(BOUND_MS)
  await hanging
  way.speak()
  await sql`select 1`.execute(db)
})

test('a statement that takes longer than the silence that is allowed, but answers little by little, goes on', async () => {
  const { db } = await connected()
  const rows = await sql`select n, pg_sleep(0.02), repeat('x', 4000) from generate_series(1, 150) as n`.execute(db)
  expect(rows.rows).toHaveLength(150)
})

test('a process that stood still itself does not take that for silence', async () => {
  const { db } = await connected()
  const answer = sql`select pg_sleep(0.3)`.execute(db)
  await new Promise(resolve => setTimeout(resolve, 100))
  // nothing is read meanwhile, and the time is over before the answer can be
  for (const end = performance.now() + 3 * SILENCE_MS; performance.now() < end; );
  await expect(answer).resolves.toBeDefined()
})

test('what was given up is not sent later', async () => {
  await sql`create table late (data bytea)`.execute(direct)
  const { db, way } = await connected()
  way.silence()
  const data = Buffer.alloc(4 << 20, 'x')
  await failure(sql`insert into late values (${data})`.execute(db))
  way.speak()
  await sql`select 1`.execute(db)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect((await sql`select from late`.execute(direct)).rows).toEqual([])
})
