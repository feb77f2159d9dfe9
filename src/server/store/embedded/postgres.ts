import { setTimeout as sleep } from 'node:timers/promises'
import { installBinaries } from './binaries.ts'
import { claim, isLast, knock, type Session } from './claim.ts'
import { codeOf, EmbeddedPostgresError } from './failure.ts'
import { type Home, openHome } from './home.ts'
import { endPostmaster, initialise, type Launched, launch, runningPostmaster } from './postmaster.ts'
import { linkSocketDirectory, socketUrl, unlinkSocketDirectory } from './socket.ts'

export interface EmbeddedPostgres {
  /** For `pg`: a Unix socket in a folder that only this account (and root) can enter. */
  readonly url: string
  /** The database was already running, left by a process that ended without stopping it. */
  readonly adopted: boolean
  /** Stops the database, unless another process shares it. To be called after the pools are closed. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** A folder for this alone; made if absent. */
  readonly directory: string
  /** Use the database together with other processes that also say so; the last one stops it. Otherwise it is for one process. */
  readonly share?: boolean
  /** How many sessions there can be at once; 50 unless told. A database that is adopted keeps what it was started with. */
  readonly maxConnections?: number
}

/** Long enough for the recovery of a database that fits on a workstation. */
const START_MS = 120_000
/**
 * Processes of a killed postmaster hold its shared memory until they notice; a rival's postmaster holds the lock file, or is just
 * making it; and one of ours may have been used, and stopped, by somebody else before we could reach it.
 */
const IN_THE_WAY =
  /shared memory block .* is still in use|lock file .* (already exists|is empty)|database system is shut down$/is
const IN_THE_WAY_MS = 30_000

/**
 * A real PostgreSQL for a quick start and for tests, from the programs that npm brings. Starts it, or adopts the one that still
 * runs on this folder. Safe when several processes do this at once.
 *
 * @throws {EmbeddedPostgresError} when it cannot be had here; the message says what to do
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const share = options.share ?? false
  const home = await openHome(options.directory)
  const binaries = await installBinaries(home)
  await initialise(home, binaries)
  const start = async () =>
    launch(home, binaries, await linkSocketDirectory(home.directory), options.maxConnections ?? 50)
  for (const end = Date.now() + START_MS; ; ) {
    const { client, launched } = await reach(home, start, end)
    try {
      await claim(home, client, share)
      await refuseStopping(home)
      const pid = await runningPostmaster(home)
      if (pid === undefined)
        throw new EmbeddedPostgresError(`PostgreSQL in ${home.directory} ended right after its start.`)
      client.unref() // whoever ends without stop() may end; the next one adopts
      let stopped: Promise<void> | undefined
      return {
        url: socketUrl(home.directory),
        adopted: pid !== launched?.pid,
        stop: () => (stopped ??= stop(home, client, pid, share)),
      }
    } catch (error) {
      await client.end().catch(() => undefined)
      // cut off between connecting and claiming: the former user was just stopping it, so start it again
      if (!isCut(error) || Date.now() > end) throw error
    }
  }
}

async function reach(
  home: Home,
  start: () => Promise<Launched>,
  end: number,
): Promise<{ client: Session; launched?: Launched }> {
  const blockedUntil = Date.now() + IN_THE_WAY_MS
  let launched: Launched | undefined
  for (; Date.now() < end; await sleep(10)) {
    const answer = await knock(home)
    if (typeof answer === 'object') return launched ? { client: answer, launched } : { client: answer }
    if (answer === 'not ready') continue
    const report = await launched?.ended()
    if (report !== undefined) {
      if (!IN_THE_WAY.test(report) || Date.now() > blockedUntil) {
        throw new EmbeddedPostgresError(
          `PostgreSQL does not start in ${home.directory}: ${report || 'it wrote nothing'}`,
        )
      }
      await sleep(50)
      launched = undefined
    }
    launched ??= await start()
  }
  throw new EmbeddedPostgresError(`PostgreSQL is still not ready after ${START_MS / 1000} s; its log is ${home.log}.`)
}

async function stop(home: Home, client: Session, pid: number, share: boolean): Promise<void> {
  client.ref()
  const last = await isLast(client, share).catch(() => isLastAgain(home))
  try {
    if (!last) return
    await endPostmaster(home, pid)
    await unlinkSocketDirectory(home.directory)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/**
 * A shutdown ends the sessions one by one, and that of the one who stops it may end, and give way to our claim, before ours
 * does. By then no new session is let in any more.
 */
async function refuseStopping(home: Home): Promise<void> {
  const answer = await knock(home)
  if (typeof answer === 'string') throw Object.assign(new Error('the database is being stopped'), { code: '57P03' })
  await answer.end()
}

/** The session ended under us, by a shutdown (57P0x) or without a word; any other answer of the server has its own code. */
function isCut(error: unknown): boolean {
  return !(error instanceof EmbeddedPostgresError) && /^(57P0\d|E[A-Z]+)?$/.test(codeOf(error) ?? '')
}

/** Our session is gone (the server crashed and came back, or somebody ended it), so ask in a new one. */
async function isLastAgain(home: Home): Promise<boolean> {
  const answer = await knock(home)
  if (answer === 'nobody') return false
  if (answer === 'not ready') return true
  const last = await isLast(answer, false).catch(() => true)
  await answer.end().catch(() => undefined)
  return last
}
