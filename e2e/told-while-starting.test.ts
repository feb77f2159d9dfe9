import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { startTestVault, type TestVault } from '../test/dev-vault.ts'
import { COMPILE_CACHE } from './compile-cache.ts'

/* A server or a gate that is told to end before it has started, because of a peer that is away: also as process 1 of a container. */

let vault: TestVault
let database: TestDatabase
/** What makes or changes the schema waits for it. */
let holder: pg.Client
let folder: string
/** Takes connections, and says nothing. */
let nobody: Server
const children: ChildProcess[] = []
beforeAll(async () => {
  ;[vault, database] = await Promise.all([startTestVault(), createTestDatabase()])
  holder = new pg.Client({ connectionString: database.url })
  await holder.connect()
  await holder.query('select pg_advisory_lock($1)', [SCHEMA_LOCK])
  folder = await mkdtemp(join(tmpdir(), 'writ-starting-'))
  await writeFile(join(folder, 'token'), vault.root.reveal(), { mode: 0o600 })
  nobody = createServer(() => {}).listen(0, '127.0.0.1')
  await once(nobody, 'listening')
})
afterEach(async () => {
  // of one that has ended the database hears at the end of its statement
  await holder.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'close')
  }
})
afterAll(async () => {
  nobody.close()
  await holder.end()
  await rm(folder, { recursive: true })
  await database.drop()
  await vault.close()
})

/** Of Kysely. */
const SCHEMA_LOCK = '3853314791062309107'
/** After it, a container is killed. */
const DOCKER_STOP_MS = 10_000
/** Process 1 of a namespace of its own: what it has no handler for does not reach it. */
const FIRST = ['unshare', '--pid', '--fork', '--kill-child']
const mayBeFirst = spawnSync('unshare', [...FIRST.slice(1), 'true']).status === 0

interface Started {
  readonly child: ChildProcess
  log(): string
  tell(signal: NodeJS.Signals): void
}

function start(as: 'usual' | 'first', command: string[], env: Record<string, string>): Started {
  const [program = '', ...args] = [...(as === 'first' ? FIRST : []), process.execPath, 'src/cli/main.ts', ...command]
  const child = spawn(program, args, { env: { ...COMPILE_CACHE, PATH: process.env.PATH, ...env } })
  children.push(child)
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (log += chunk))
  const { pid = 0 } = child
  const own = () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  return { child, log: () => log, tell: signal => process.kill(as === 'first' ? own() : pid, signal) }
}

const silentVault = () => `http://127.0.0.1:${(nobody.address() as AddressInfo).port}`
const asServer = () => {
  const token = join(folder, 'token')
  return { WRIT_VAULT_TOKEN_FILE: token, WRIT_JOB_ROLE_ID: 'role', DATABASE_URL: database.url, WRIT_PORT: '0' }
}
const asGate = () => ({
  VAULT_TOKEN: vault.root.reveal(),
  WRIT_GATE_LISTEN: '127.0.0.1:0',
  WRIT_GATE_SCHEDULERS: 'test',
})
const hearsNothing = () => once(nobody, 'connection')
const waitsForSchema = async () => {
  const waiting = `select pid from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())`
  await expect.poll(async () => (await holder.query(waiting)).rows.length, { timeout: 30_000 }).toBe(1)
}

/** Who starts with what environment, and how it shows that it waits. */
const STARTS: [string, string[], () => Record<string, string>, (log: () => string) => Promise<unknown>][] = [
  ['a server whose Vault says nothing', ['server'], () => ({ ...asServer(), VAULT_ADDR: silentVault() }), hearsNothing],
  [
    'a server that has no login for its database yet',
    ['server'],
    () => ({
      ...asServer(),
      VAULT_ADDR: 'http://127.0.0.1:1',
      DATABASE_URL: 'postgres://127.0.0.1:1/none',
      WRIT_DATABASE_CREDS: 'database/creds/writ',
    }),
    log => expect.poll(log, { timeout: 30_000 }).toMatch(/waiting for Vault/),
  ],
  [
    'a server that waits for the schema, which another one changes',
    ['server'],
    () => ({ ...asServer(), VAULT_ADDR: vault.vault.address }),
    waitsForSchema,
  ],
  ['a gate whose Vault says nothing', ['gate'], () => ({ ...asGate(), VAULT_ADDR: silentVault() }), hearsNothing],
  [
    'a gate that waits for the schema',
    ['gate'],
    () => ({ ...asGate(), VAULT_ADDR: vault.vault.address, DATABASE_URL: database.url }),
    waitsForSchema,
  ],
]

describe.each(STARTS)('%s', (_, command, env, waits) => {
  test.each([
    ['usual', 'SIGTERM'] as const,
    ...(mayBeFirst ? [['first', 'SIGTERM'] as const, ['first', 'SIGINT'] as const] : []),
  ])(
    'as a %s process: %s ends it in order, and soon',
    async (as, signal) => {
      const waiting = waits(() => started.log())
      const started = start(as, command, { WRIT_LOG_LEVEL: 'debug', ...env() })
      const { child, log, tell } = started
      await waiting
      expect(child.exitCode ?? child.signalCode, log()).toBeNull()
      const closed = once(child, 'close')
      const began = performance.now()
      tell(signal)
      const [code] = await closed
      expect(code, log()).toBe(0)
      expect(performance.now() - began).toBeLessThan(DOCKER_STOP_MS)
    },
    60_000,
  )
})
