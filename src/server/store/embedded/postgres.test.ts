import { type ChildProcess, execFile as execFileCallback, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './postgres.ts'
import { linkSocketDirectory, socketDirectory } from './socket.ts'

const execFile = promisify(execFileCallback)

let scratch: string
let directory: string
let started: EmbeddedPostgres[]
let children: ChildProcess[]

/** A stopped database, made once: making one costs more than everything else here. */
let seed: string
beforeAll(async () => {
  seed = await mkdtemp('/tmp/writ-embedded-seed-')
  await chmod(seed, 0o755)
  await (await startEmbeddedPostgres({ directory: join(seed, 'db') })).stop()
})
afterAll(() => rm(seed, { recursive: true }))

beforeEach(async () => {
  scratch = await mkdtemp('/tmp/writ-embedded-')
  await chmod(scratch, 0o755) // as on any machine: the way to the folder is open
  directory = join(scratch, 'db')
  started = []
  children = []
})

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const database of started) await database.stop().catch(() => undefined)
  const left = await postmaster(directory)
  if (left) process.kill(left, 'SIGQUIT')
  for (let tries = 0; (await postmaster(directory)) && tries < 500; tries++) await sleep(10)
  await rm(scratch, { recursive: true })
})

async function plant(): Promise<void> {
  const from = join(seed, 'db')
  await mkdir(directory, { mode: 0o700 })
  const [programs = ''] = (await readdir(from)).filter(name => name.startsWith('pg-'))
  await execFile('cp', ['-al', join(from, programs), directory]) // links: 60 MB that nobody writes to
  await execFile('cp', ['-a', '--reflink=auto', join(from, 'data'), directory])
}

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const database = await startEmbeddedPostgres({ directory, ...options })
  started.push(database)
  return database
}

/** The same in a process of its own, which can be killed. */
async function startApart(share = false): Promise<{ child: ChildProcess; said: string }> {
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(join(import.meta.dirname, 'postgres.ts'))})
    await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, share: ${share} })
      .then(database => console.log(database.adopted ? 'adopted' : 'started'), error => console.log(error.message))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const [said] = await once(child.stdout, 'data')
  return { child, said: String(said).trim() }
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function postmaster(home: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(join(home, 'data/postmaster.pid'), 'utf8').catch(() => ''), 10)
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'Z')
  return / [ZX] /.test(state) || state === 'Z' ? undefined : pid
}

describe('a start', () => {
  test('gives a durable PostgreSQL 18 on a socket that nobody else can reach', async () => {
    const { url, adopted } = await start()
    expect(adopted).toBe(false)
    const settings = [
      'server_version_num',
      'fsync',
      'listen_addresses',
      'lc_collate',
      'server_encoding',
      'max_connections',
    ]
    const [row] = await query(
      url,
      `select ${settings.map(name => `current_setting('${name}', true) as ${name}`).join(', ')}`,
    )
    expect(row).toMatchObject({ fsync: 'on', listen_addresses: '', server_encoding: 'UTF8', max_connections: '50' })
    expect(Number(row?.server_version_num)).toBeGreaterThanOrEqual(180_000)
    for (const closed of ['', 'data', '.s.PGSQL.5432']) {
      expect((await stat(join(directory, closed))).mode & 0o077, `mode of ${closed || 'the folder'}`).toBe(0)
    }
  })

  test.runIf(process.getuid?.() === 0)('as root lends the database another account', async () => {
    await plant()
    await start()
    const pid = await postmaster(directory)
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    expect(status).not.toMatch(/^Uid:\s+0/m)
    expect(status).not.toMatch(/^Gid:\s+0/m)
    expect((await stat(join(directory, 'data'))).uid).not.toBe(0)
  })

  test('is not led astray by PG variables', async () => {
    await plant()
    const before = { ...process.env }
    Object.assign(process.env, { PGPORT: '6000', PGDATA: '/nowhere', PGSSLMODE: 'require' })
    try {
      const { url } = await start()
      expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
    } finally {
      process.env = before
    }
  })

  test('keeps the data from one run to the next', async () => {
    await plant()
    const first = await start()
    await query(first.url, 'create table kept (n int); insert into kept values (7)')
    await first.stop()
    expect(await postmaster(directory)).toBeUndefined()
    const second = await start()
    expect(second.adopted).toBe(false)
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }])
  })

  test('works under a path which is too long for a socket', async () => {
    directory = join(scratch, 'long'.repeat(30))
    const database = await start()
    expect(await query(database.url, 'select 1 as one')).toEqual([{ one: 1 }])
    const link = socketDirectory(directory)
    expect(link.length).toBeLessThan(60)
    await database.stop()
    await expect(stat(link)).rejects.toThrow('ENOENT')
  })

  test('refuses a short link that leads elsewhere', async () => {
    const long = join(scratch, 'evil'.repeat(30))
    await symlink('/tmp', socketDirectory(long))
    try {
      await expect(linkSocketDirectory(long)).rejects.toThrow('is in the way')
    } finally {
      await rm(socketDirectory(long))
    }
  })

  test('throws away what a killed start left half done, if it is old', async () => {
    await mkdir(join(directory, 'data.new-1-aa'), { recursive: true })
    await mkdir(join(directory, 'data.new-1-bb'))
    await utimes(join(directory, 'data.new-1-aa'), new Date(0), new Date(0))
    await start()
    const names = await readdir(directory)
    expect(names).not.toContain('data.new-1-aa')
    expect(names).toContain('data.new-1-bb')
  })
})

describe('after a crash', () => {
  test('the database of a killed process is adopted', async () => {
    await plant()
    const { child, said } = await startApart()
    expect(said).toBe('started')
    const pid = await postmaster(directory)
    child.kill('SIGKILL')
    const database = await start()
    expect(database.adopted).toBe(true)
    expect(await postmaster(directory)).toBe(pid)
    await database.stop()
    expect(await postmaster(directory)).toBeUndefined()
  })

  test('a killed postmaster is replaced, and what was committed is there', async () => {
    await plant()
    const first = await start()
    await query(first.url, 'create table kept (n int); insert into kept values (7)')
    const pid = await postmaster(directory)
    // a session at work is slow to notice that the postmaster is gone and holds its memory meanwhile
    const busy = query(first.url, `select pg_sleep(1)`).catch(() => undefined)
    await sleep(50)
    process.kill(pid as number, 'SIGKILL')
    const second = await start()
    expect(second.adopted).toBe(false)
    expect(await postmaster(directory)).not.toBe(pid)
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }])
    await busy
    await first.stop() // knows nothing of the new one and must leave it alone
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }])
  })

  test('stop still stops when the session that marks the use was cut', async () => {
    await plant()
    const database = await start()
    await query(database.url, 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
    await database.stop()
    expect(await postmaster(directory)).toBeUndefined()
  })
})

describe('several processes at once', () => {
  test('one gets it, the other is told who has it', async () => {
    const [a, b] = await Promise.all([startApart(), startApart()])
    const said = [a, b].map(one => one.said).sort()
    expect(said[0]).toMatch(/^Another writ \(process \d+\) uses the database in /)
    expect(said[1]).toMatch(/^(started|adopted)$/)
  }, 30_000)

  test('with share all get the same one, and the last one out stops it', async () => {
    await plant()
    const all = await Promise.all([1, 2, 3].map(() => start({ share: true })))
    expect(all.filter(one => !one.adopted)).toHaveLength(1)
    expect(new Set(all.map(one => one.url)).size).toBe(1)
    for (const one of all) {
      expect(await query(one.url, 'select 1 as one')).toEqual([{ one: 1 }])
      await one.stop()
    }
    expect(await postmaster(directory)).toBeUndefined()
  })

  test('starts and stops that cross each other always end with a working database', async () => {
    await plant()
    const comeAndGo = async () => {
      for (let round = 0; round < 5; round++) {
        const database = await start({ share: true })
        expect(await query(database.url, 'select 1 as one')).toEqual([{ one: 1 }])
        await database.stop()
      }
    }
    await Promise.all([comeAndGo(), comeAndGo(), comeAndGo()])
    expect(await postmaster(directory)).toBeUndefined()
  })
})

describe('refused with a way out', () => {
  test('a folder with something else in it', async () => {
    await mkdir(directory)
    await writeFile(join(directory, 'thesis.txt'), '')
    const before = await stat(directory)
    await expect(start()).rejects.toThrow(/there is something else in it \(thesis.txt\)/)
    expect(await stat(directory)).toMatchObject({ uid: before.uid, mode: before.mode })
  })

  test.runIf(process.getuid?.() === 0)('a folder that the lent account cannot reach', async () => {
    await mkdir(join(scratch, 'closed'), { mode: 0o700 })
    directory = join(scratch, 'closed/db')
    await expect(start()).rejects.toThrow(/may not enter .*closed.*DATABASE_URL/)
  })

  test('data of a version that nobody has programs for', async () => {
    await mkdir(join(directory, 'data'), { recursive: true })
    await writeFile(join(directory, 'data/PG_VERSION'), '9\n')
    await expect(start()).rejects.toThrow(/written by PostgreSQL 9.*DATABASE_URL/)
  })

  test('a configuration that PostgreSQL does not take: its own words are shown', async () => {
    await plant()
    await writeFile(join(directory, 'data/postgresql.conf'), 'nonsense here\n')
    await expect(start()).rejects.toThrow(/does not start.*unrecognized configuration parameter "nonsense"/s)
  })
})
