import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { appear } from './appear.ts'
import { EmbeddedPostgresError } from './failure.ts'
import type { Home } from './home.ts'

const FLAGS = [
  'listen_addresses=', // a socket in a closed folder needs no password and has no port to collide
  'unix_socket_permissions=0700',
  'shared_buffers=32MB',
  'jit=off',
  'io_method=sync',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_logical_replication_workers=0',
]
/** PG* variables of ours (PGPORT, PGDATA, PGOPTIONS) would change how the server starts, so it gets none of our environment. */
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }
const LOG_LIMIT = 10 * 1024 * 1024
const FAST_STOP_MS = 20_000
const IMMEDIATE_STOP_MS = 10_000

/** Makes the cluster, unless it is there. */
export async function initialise(home: Home, binaries: string): Promise<void> {
  await appear(home.data, async unfinished => {
    const options = [
      '-U',
      'app',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
      '--wal-segsize=4',
      '--no-instructions',
    ]
    const initdb = promisify(execFile)(join(binaries, 'initdb'), ['-D', unfinished, ...options], spawnOptions(home))
    await initdb.catch((error: Error & { stderr?: string }) => {
      throw new EmbeddedPostgresError(`initdb failed: ${error.stderr?.trim() || error.message}`)
    })
  })
}

function spawnOptions({ account }: Home) {
  const identity = account.switched ? { uid: account.uid, gid: account.gid } : {}
  return { cwd: '/', env: ENVIRONMENT, ...identity } // our own working directory may be closed to the account
}

/** A `postgres` of ours that was started and may not answer yet. */
export interface Launched {
  readonly pid: number | undefined
  /** What it wrote before it ended, when it has ended. */
  ended(): Promise<string | undefined>
}

/**
 * Starts `postgres` apart from us (own session, own log): Ctrl-C in the terminal must not reach the database before the server
 * has drained, and the database must outlive a killed server, whose successor adopts it.
 */
export async function launch(
  home: Home,
  binaries: string,
  socketDirectory: string,
  sessions: number,
): Promise<Launched> {
  const before = await stat(home.log).catch(() => undefined)
  if (before && before.size > LOG_LIMIT) await rename(home.log, `${home.log}.old`)
  const log = await open(home.log, 'a', 0o600)
  try {
    const { size } = await log.stat()
    const settings = [...FLAGS, `max_connections=${sessions}`].flatMap(setting => ['-c', setting])
    const options = ['-D', home.data, '-k', socketDirectory, '-p', '5432', ...settings]
    const child = spawn(join(binaries, 'postgres'), options, {
      ...spawnOptions(home),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    const failure = failureOf(child)
    child.unref()
    return {
      pid: child.pid,
      ended: async () => {
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) return undefined
        return (await failure()) ?? (await readFile(home.log)).subarray(size).toString().trim()
      },
    }
  } finally {
    await log.close()
  }
}

function failureOf(child: ChildProcess): () => Promise<string | undefined> {
  let failure: Error | undefined
  child.on('error', error => {
    failure = error
  })
  return async () => {
    await sleep(0) // a spawn error is reported one tick after the spawn
    return failure?.message
  }
}

/** The process that postmaster.pid names, if it lives. */
export async function runningPostmaster(home: Home): Promise<number | undefined> {
  const text = await readFile(join(home.data, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return pid > 1 && (await lives(pid)) ? pid : undefined
}

async function lives(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // a zombie counts as dead: in a container whose process 1 reaps nothing it would stay for ever
  return state !== undefined && !/\) [ZX] /.test(state)
}

/** Ends the postmaster: first politely (sessions are cut, a checkpoint is written), then at once (recovery at the next start). */
export async function endPostmaster(home: Home, pid: number): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
  ] as const) {
    // asked again before each signal: after its end the number may belong to an innocent process
    if ((await runningPostmaster(home)) !== pid) return
    process.kill(pid, signal)
    for (const end = Date.now() + patience; Date.now() < end; await sleep(5)) {
      if ((await runningPostmaster(home)) !== pid && !(await lives(pid))) return
    }
  }
  throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) does not stop; its log is ${home.log}.`)
}
