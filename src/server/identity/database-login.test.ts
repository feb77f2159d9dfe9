import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type DatabaseEngine, makeDatabaseEngine } from '../../../test/database-engine.ts'
import { startTestVault, type TestVault } from '../../../test/dev-vault.ts'
import { Vault } from '../../vault/client.ts'
import type { Secret } from '../../vault/secret.ts'
import { revokeSelf } from '../../vault/token.ts'
import { type Database, migrate, openDatabase } from '../store/database.ts'
import { DatabaseLogin } from './database-login.ts'
import { Identity } from './identity.ts'

let stack: TestVault
let engine: DatabaseEngine
const LIFE = { default_ttl: '60s', max_ttl: '200s' }

beforeAll(async () => {
  stack = await startTestVault()
  engine = await makeDatabaseEngine(stack.write, LIFE)
})
afterAll(async () => {
  await engine.drop()
  await stack.close()
})

let identity: Identity
let lines: string[]
/** What the login means to do next, and when. */
let planned: { ms: number; action: () => Promise<void> } | null
let open: { close(): Promise<void> }[]
const log = pino({ level: 'trace' }, { write: line => lines.push(line) })

beforeEach(async () => {
  lines = []
  planned = null
  open = []
  await engine.role(LIFE)
  identity = await identityOf(await tokenOf())
})
afterEach(async () => {
  stack.dev.unseal()
  for (const one of open.splice(0).reverse()) await one.close()
  // no user is left behind, whatever the test was about
  await expect.poll(() => engine.users()).toEqual([])
})

async function tokenOf(capability = 'read'): Promise<Secret> {
  const rules = [
    `path "${engine.path}" { capabilities = ["${capability}"] }`,
    'path "sys/leases/*" { capabilities = ["update"] }',
  ]
  await stack.write(`sys/policies/acl/server-${capability}`, { policy: rules.join('\n') })
  return await stack.token({ policies: ['default', `server-${capability}`], ttl: '24h' })
}

async function identityOf(token: Secret): Promise<Identity> {
  const made = new Identity(stack.vault, { kind: 'token', token }, log, { timer: () => () => {} })
  await made.start()
  open.push({ close: () => revokeSelf(stack.vault, token).catch(() => {}) })
  return made
}

function loginOf(vault = stack.vault, path = engine.path): DatabaseLogin {
  const login = new DatabaseLogin({
    vault,
    identity,
    path,
    log,
    timer: (ms, action) => {
      const mine = { ms, action }
      planned = mine
      return () => {
        if (planned === mine) planned = null
      }
    },
  })
  open.push(login)
  return login
}

async function started(): Promise<{ login: DatabaseLogin; db: Database }> {
  const login = loginOf()
  await login.start()
  const db = openDatabase({ url: engine.url, logins: login }, () => {})
  open.push({ close: () => db.destroy() })
  return { login, db }
}

/** Lets the planned moment come. */
async function elapse(): Promise<number> {
  const next = planned ?? expect.fail('nothing is planned')
  planned = null
  stack.dev.clock.advance(next.ms)
  await next.action()
  return next.ms
}

const whoAmI = async (db: Kysely<never> | Database): Promise<string> =>
  (await sql<{ me: string }>`select session_user::text as me`.execute(db)).rows[0]?.me ?? ''

async function endSessions(): Promise<void> {
  await engine.sql(`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'writ' and datname = current_database()`)
  await expect.poll(() => engine.sessions()).toEqual([])
}

test('a user of its own, which the role that owns all tables stands behind', async () => {
  const { login, db } = await started()
  expect(await engine.users()).toEqual([login.current().user])
  expect(await whoAmI(db)).toBe(login.current().user)
  await migrate(db)
  const owners = await engine.sql(`select distinct tableowner from pg_tables where schemaname = 'public'`)
  expect(owners).toEqual([{ tableowner: expect.stringMatching(/^owner_/) }])
})

test('renewed at two thirds of its life, and replaced before its maximum: never a moment with a user that is none', async () => {
  const { login, db } = await started()
  const seen: string[] = []
  for (let n = 0; n < 24; n++) {
    const ms = await elapse()
    // of what Vault gave: after four early renewals in a row the fourth is cut by the maximum, by so little that it still counts
    expect(ms).toBeGreaterThanOrEqual(0.6 * 60_000 * 0.9)
    expect(ms).toBeLessThanOrEqual(0.67 * 60_000)
    expect(await engine.users()).toContain(login.current().user)
    expect(await whoAmI(db)).toBe(login.current().user)
    seen.push(login.current().user)
  }
  const users = new Set(seen)
  // each is renewed three times: 60 s of 200
  expect(users.size).toBeGreaterThanOrEqual(5)
  expect(users.size).toBeLessThanOrEqual(8)
  await expect.poll(() => engine.users()).toEqual([login.current().user])
})

test('a running query ends as its old user, and that one is given back after it', async () => {
  const { login, db } = await started()
  const old = login.current().user
  const gate = Promise.withResolvers<void>()
  const running = db.transaction().execute(async tx => {
    const before = await whoAmI(tx)
    await gate.promise
    return [before, await whoAmI(tx)]
  })
  while (login.current().user === old) await elapse()
  expect(await whoAmI(db)).toBe(login.current().user)
  // time enough for giving it back, were it not waited for
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(await engine.users()).toContain(old)
  gate.resolve()
  expect(await running).toEqual([old, old])
  await expect.poll(() => engine.users()).toEqual([login.current().user])
})

test('whoever waits for a connection gets one, also when the user changes meanwhile', async () => {
  const { login, db } = await started()
  const old = login.current()
  const gate = Promise.withResolvers<void>()
  // all connections of the pool
  const busy = Array.from({ length: 10 }, () =>
    db.transaction().execute(async tx => {
      await whoAmI(tx)
      await gate.promise
    }),
  )
  await expect.poll(async () => (await engine.sessions()).length).toBe(10)
  const waiting = Array.from({ length: 20 }, () => whoAmI(db))
  while (login.current() === old) await elapse()
  expect(await whoAmI(db)).toBe(login.current().user)
  gate.resolve()
  await Promise.all(busy)
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => old.user))
  await expect.poll(() => engine.users()).toEqual([login.current().user])
})

test('another token of the identity: another user at once, for the old one ends with its token', async () => {
  const { login, db } = await started()
  const old = login.current()
  const first = identity.token()
  // as at the end of a token's life: another one, while the old one still lives
  await identity.seal('for a new token')
  const next = await tokenOf()
  open.push({ close: () => revokeSelf(stack.vault, next).catch(() => {}) })
  await identity.unseal({ kind: 'token', token: next })
  await expect.poll(() => login.current()).not.toBe(old)
  await revokeSelf(stack.vault, first).catch(() => {})
  expect(await whoAmI(db)).toBe(login.current().user)
  await expect.poll(() => engine.users()).toEqual([login.current().user])
})

test('PostgreSQL refuses it: another one, for all who wait, and no more than one in a few seconds', async () => {
  const { login, db } = await started()
  const old = login.current().user
  await engine.sql(`drop role "${old}"`)
  const users = await Promise.all(Array.from({ length: 10 }, () => whoAmI(db)))
  expect(new Set(users)).toEqual(new Set([login.current().user]))
  expect(users[0]).not.toBe(old)
  await engine.sql(`drop role "${login.current().user}"`)
  await endSessions()
  const calls = stack.calls.length
  const refused = await Promise.allSettled(Array.from({ length: 20 }, () => whoAmI(db)))
  const reasons = refused.flatMap(one => (one.status === 'rejected' ? [one.reason] : []))
  expect(reasons.length).toBeGreaterThan(0)
  for (const reason of reasons) if (reason.code === 'store_unavailable') expect(reason.entry.http).toBe(503)
  expect(reasons.some(({ code }) => code === 'store_unavailable')).toBe(true)
  expect(stack.calls.slice(calls).filter(call => call.includes('database/creds'))).toEqual([])
})

test('Vault away: the old user goes on for as long as it lives, pauses grow, and when it is back there is a good one', async () => {
  const { login, db } = await started()
  const old = login.current().user
  stack.dev.seal()
  await elapse()
  const pauses: number[] = []
  let gone = 0
  for (let n = 0; n < 12; n++) {
    const next = planned?.ms ?? 0
    // a third of its life was left
    if (gone + next < 20_000) expect(await whoAmI(db)).toBe(old)
    gone += next
    pauses.push(await elapse())
  }
  expect(Math.max(...pauses)).toBeGreaterThan(10_000)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000)
  expect(lines.join('')).toContain('"code":"store_credentials_unavailable"')
  stack.dev.unseal()
  await elapse()
  expect(login.current().user).not.toBe(old)
  expect(await whoAmI(db)).toBe(login.current().user)
})

test('a lease that somebody revoked: noticed at the next renewal at the latest', async () => {
  const { login, db } = await started()
  const old = login.current().user
  await stack.write(`sys/leases/revoke-prefix/${engine.path}`, {})
  expect(await engine.users()).toEqual([])
  await elapse()
  expect(login.current().user).not.toBe(old)
  expect(await whoAmI(db)).toBe(login.current().user)
})

test('no power over the path, or nothing there: refused at the start, with what Vault says and what to do', async () => {
  identity = await identityOf(await tokenOf('deny'))
  const error = await loginOf()
    .start()
    .catch(error => error)
  expect(error).toMatchObject({ code: 'store_credentials_unavailable', message: expect.stringContaining('403') })
  expect(error.entry.remedy).toContain('--database-creds')
  const root = await stack.token({ policies: ['root'] })
  identity = await identityOf(root)
  for (const path of ['database/creds/nobody', 'secret/data/none']) {
    await expect(loginOf(stack.vault, path).start()).rejects.toMatchObject({ code: 'store_credentials_unavailable' })
  }
  await stack.write('secret/data/other', { data: { username: 'x' } })
  await expect(loginOf(stack.vault, 'secret/data/other').start()).rejects.toThrow('no username and password')
  await revokeSelf(stack.vault, root)
})

test('sealed, or Vault away, at the start: it waits, says so, and goes on by itself', async () => {
  const token = await tokenOf()
  identity = new Identity(stack.vault, null, log)
  const login = loginOf()
  const start = login.start()
  await expect.poll(() => lines.join('')).toContain('waiting for Vault')
  expect(lines.join('')).toContain('no Vault identity')
  stack.dev.seal()
  const unsealed = identity.unseal({ kind: 'token', token })
  await expect(unsealed).rejects.toMatchObject({ kind: 'unavailable' })
  stack.dev.unseal()
  await identity.unseal({ kind: 'token', token })
  await start
  expect(await engine.users()).toEqual([login.current().user])
  open.push({ close: () => revokeSelf(stack.vault, token) })
})

test('what has no lease, as a role whose password Vault changes, is read again when PostgreSQL refuses it', async () => {
  await stack.write('sys/mounts/fixed', { type: 'kv', options: { version: '1' } }).catch(() => {})
  const [first, second] = [1, 2].map(n => `fixed_${randomBytes(4).toString('hex')}_${n}`)
  await engine.sql(`create role ${first} login`)
  await stack.write('fixed/login', { username: first, password: 'first' })
  identity = await identityOf(await stack.token({ policies: ['root'] }))
  const login = loginOf(stack.vault, 'fixed/login')
  await login.start()
  expect(planned).toBeNull()
  const db = openDatabase({ url: engine.url, logins: login }, () => {})
  expect(await whoAmI(db)).toBe(first)
  await engine.sql(`alter role ${first} rename to ${second}`)
  await stack.write('fixed/login', { username: second, password: 'second' })
  await endSessions()
  await expect.poll(() => whoAmI(db).catch(() => '')).toBe(second)
  await db.destroy()
  await engine.sql(`drop role ${second}`)
})

test('the password is in no line of the log and in nothing that can be printed', async () => {
  const { login, db } = await started()
  const password = login.current().password.reveal()
  await engine.sql(`drop role "${login.current().user}"`)
  await stack.write(`sys/leases/revoke-prefix/${engine.path}`, {})
  await whoAmI(db)
  const other = login.current().password.reveal()
  const printed = [...lines, inspect(login, { depth: 9 }), inspect(db, { depth: 9 }), JSON.stringify(login.current())]
  for (const secret of [password, other]) {
    expect(secret.length).toBeGreaterThan(10)
    expect(printed.join('')).not.toContain(secret)
  }
})

test('a vault that answers when all is over: what it made is given back', async () => {
  const slow = new Vault({ address: stack.dev.address })
  open.push({ close: () => slow.close() })
  const login = loginOf(slow)
  const start = login.start()
  await login.close()
  await start.catch(() => {})
})
