import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, expect, test } from 'vitest'
import { createTestDatabase } from '../../../test/database.ts'
import { Secret } from '../../vault/secret.ts'
import { openDatabase } from './database.ts'
import type { DatabaseAddress } from './logins.ts'
import { notify, payloads, Wakeups, wakeup } from './wakeups.ts'

const database = await createTestDatabase()
const db = openDatabase(database.url, () => {})
const open: Wakeups[] = []
const errors: Error[] = []
afterEach(async () => {
  for (const wakeups of open.splice(0)) await wakeups.close()
  errors.length = 0
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

/** Listening by the time it is returned. */
async function listen(address: DatabaseAddress = database.url, self?: string): Promise<Wakeups> {
  const wakeups = new Wakeups(address, error => errors.push(error), self)
  open.push(wakeups)
  await new Promise<void>(resolve => wakeups.onQueue(resolve))
  return wakeups
}

const never = () => new AbortController().signal
/** Whether it resolves because of something that happened, and not because of its limit of time. */
async function woken(next: Promise<void>): Promise<boolean> {
  const start = performance.now()
  await next
  return performance.now() - start < 900
}

test('whoever watches a job is woken for that job, and others are not', async () => {
  const wakeups = await listen()
  const [mine, other] = [wakeups.watchJob('a', never()), wakeups.watchJob('b', never())]
  await mine.next(0)
  await other.next(0)
  let early = false
  void other.next(1_000).then(() => (early = true))
  const next = mine.next(1_000)
  await notify(db, 'job', 'a')
  expect(await woken(next)).toBe(true)
  expect(early).toBe(false)
  mine.close()
  other.close()
})

test('what a node has told its own by itself is told all others', async () => {
  const [here, there] = [await listen(database.url, 'node-a'), await listen(database.url, 'node-b')]
  const ids = Array.from({ length: 301 }, (_, n) => n.toString(16).padStart(24, '0'))
  let queue = 0
  here.onQueue(() => (queue += 1))
  there.onQueue(() => (queue += 10))
  const [mine, other] = [here, there].map(wakeups => wakeups.watchJob(ids[300] ?? '', never()))
  await mine?.next(0)
  await other?.next(0)
  const waiting = mine?.next(1_000)
  for (const payload of [wakeup('queue', 'node-a'), ...payloads('job', ids, 'node-a')]) {
    await sql`select pg_notify('writ', ${payload})`.execute(db)
  }
  expect(await woken(other?.next(1_000) ?? Promise.resolve())).toBe(true)
  expect(await woken(waiting ?? Promise.resolve())).toBe(false)
  expect(queue).toBe(10)
  mine?.close()
  other?.close()
})

test('what happens between two calls is not missed, and counts once', async () => {
  const watch = (await listen()).watchJob('a', never())
  expect(await woken(watch.next(1_000))).toBe(true)
  for (let n = 0; n < 3; n++) await notify(db, 'job', 'a')
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(await woken(watch.next(1_000))).toBe(true)
  expect(await woken(watch.next(1_000))).toBe(false)
  watch.close()
})

test('what is rolled back wakes nobody', async () => {
  const watch = (await listen()).watchJob('a', never())
  await watch.next(0)
  const failing = db.transaction().execute(async tx => {
    await notify(tx, 'job', 'a')
    throw new Error('rolled back')
  })
  await expect(failing).rejects.toThrow('rolled back')
  expect(await woken(watch.next(1_000))).toBe(false)
  watch.close()
})

test('an abort and a limit of time end the wait', async () => {
  const wakeups = await listen()
  const abort = new AbortController()
  const watch = wakeups.watchJob('a', abort.signal)
  await watch.next(0)
  const start = performance.now()
  await watch.next(100)
  // a timer counts from when its turn of the loop began, which may be earlier
  expect(performance.now() - start).toBeGreaterThanOrEqual(50)
  const next = watch.next(60_000)
  abort.abort()
  await next
  await watch.next(60_000)
  watch.close()
})

test('a connection that breaks is made again, and everyone looks once, for what was missed', async () => {
  const wakeups = await listen()
  const watch = wakeups.watchJob('a', never())
  await watch.next(0)
  const next = watch.next(10_000)
  let queue = 0
  wakeups.onQueue(() => (queue += 1))
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'writ-listen'`.execute(db)
  const start = performance.now()
  await next
  expect(performance.now() - start).toBeLessThan(5_000)
  expect(queue).toBe(1)
  expect(errors.length).toBeGreaterThan(0)
  const again = watch.next(1_000)
  await notify(db, 'job', 'a')
  expect(await woken(again)).toBe(true)
  watch.close()
})

test('another login: made anew before the old one is closed, never deaf, and everyone looks once', async () => {
  const changes: (() => Promise<void>)[] = []
  const { username: user, password } = new URL(database.url.replace('@/', '@x/'))
  const login = { user, password: new Secret(decodeURIComponent(password)) }
  const logins = {
    current: () => login,
    onChange: (tell: () => Promise<void>) => changes.push(tell),
    refused: async () => false,
  }
  const wakeups = await listen({ url: database.url, logins })
  const watch = wakeups.watchJob('a', never())
  await watch.next(0)
  const pids = async () =>
    (
      await sql<{ pid: number }>`select pid from pg_stat_activity
        where datname = current_database() and application_name = 'writ-listen'`.execute(db)
    ).rows.map(({ pid }) => pid)
  const [before] = await pids()
  const next = watch.next(10_000)
  let deaf = false
  const looking = setInterval(() => (deaf ||= !wakeups.listening), 1)
  await Promise.all(changes.map(tell => tell()))
  clearInterval(looking)
  expect(deaf).toBe(false)
  expect(await woken(next)).toBe(true)
  await expect.poll(async () => (await pids()).length).toBe(1)
  expect(await pids()).not.toContain(before)
  const again = watch.next(1_000)
  await notify(db, 'job', 'a')
  expect(await woken(again)).toBe(true)
  expect(errors).toEqual([])
  watch.close()
})

test('closing ends it, also while there is no database', async () => {
  const away = new Wakeups('postgres://127.0.0.1:1/none', error => errors.push(error))
  await expect.poll(() => errors.length).toBeGreaterThan(0)
  const start = performance.now()
  await away.close()
  await (await listen()).close()
  expect(performance.now() - start).toBeLessThan(2_000)
  const { rows } = await sql`select 1 from pg_stat_activity
    where datname = current_database() and application_name = 'writ-listen'`.execute(db)
  await expect.poll(() => rows.length).toBe(0)
})

test('a notification that is none of ours, which any user of the database may send, does no harm', async () => {
  const wakeups = await listen()
  const heard = new Promise<void>(resolve => wakeups.onWatch(resolve))
  for (const payload of ['error', 'error x', '', 'newListener', ' '])
    await sql`select pg_notify('writ', ${payload})`.execute(db)
  await notify(db, 'watch', 'a')
  await heard
})

test('a database that takes the connection and says nothing, as behind a balancer, is asked again', {
  timeout: 30_000,
}, async () => {
  const { database: name, host, user } = new pg.Client({ connectionString: database.url })
  let taken = 0
  const balancer = createServer(socket => {
    taken += 1
    socket.on('error', () => {})
    if (taken === 1) return
    const behind = connect(`${host}/.s.PGSQL.5432`).on('error', () => {})
    socket.pipe(behind).pipe(socket)
  })
  balancer.listen(0, '127.0.0.1')
  await once(balancer, 'listening')
  const { port } = balancer.address() as AddressInfo
  const wakeups = await listen(`postgres://${user}@127.0.0.1:${port}/${name}?sslmode=disable`)
  expect(taken).toBe(2)
  expect(wakeups.listening).toBe(true)
  balancer.close()
})
