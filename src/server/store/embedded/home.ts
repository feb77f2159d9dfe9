import { chmod, chown, lstat, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Account, postgresAccount } from './account.ts'
import { EmbeddedPostgresError, USE_DATABASE_URL } from './failure.ts'

/** The folder of one embedded database: its data, its copy of the programs, its socket and its log, all in one place. */
export interface Home {
  readonly directory: string
  readonly data: string
  readonly log: string
  readonly account: Account
}

const OURS = /^(data|pg-[\d.]+|postgres\.log|\.s\.PGSQL\.5432)/
const LEFTOVER = /\.new-\d+-/
const LEFTOVER_AGE_MS = 10 * 60_000

/**
 * Makes the folder (mode 0700, owned by the account that PostgreSQL runs as) or checks the one that is there.
 *
 * @throws {EmbeddedPostgresError} when the folder holds anything else, belongs to somebody else or cannot be reached
 */
export async function openHome(requested: string): Promise<Home> {
  const account = await postgresAccount()
  await mkdir(dirname(requested), { recursive: true })
  await mkdir(requested, { mode: 0o700 }).catch(error => {
    if (error.code !== 'EEXIST') throw error
  })
  const directory = await realpath(requested)
  await refuseForeign(directory)
  await takeOver(directory, account)
  if (account.switched) await refuseUnreachable(directory, account)
  await removeLeftovers(directory)
  return { directory, data: join(directory, 'data'), log: join(directory, 'postgres.log'), account }
}

/** Without this a wrong path ("/", a home directory) would be handed to `nobody` and closed to everyone else. */
async function refuseForeign(directory: string): Promise<void> {
  const foreign = (await readdir(directory)).find(name => !OURS.test(name))
  if (foreign === undefined) return
  throw new EmbeddedPostgresError(
    `${directory} cannot hold the embedded PostgreSQL: there is something else in it (${foreign}). Name an empty folder.`,
  )
}

async function takeOver(directory: string, account: Account): Promise<void> {
  const { uid } = await lstat(directory)
  if (uid !== account.uid) {
    if (uid !== process.getuid?.()) {
      throw new EmbeddedPostgresError(
        `${directory} belongs to uid ${uid}. Start writ as that user, or name another folder for the embedded PostgreSQL.`,
      )
    }
    await chown(directory, account.uid, account.gid).catch(() => {
      // a user namespace without a mapping for nobody
      throw new EmbeddedPostgresError(
        `PostgreSQL does not run as root, and files cannot be given to uid ${account.uid} here. Start writ as an ordinary user, or: ${USE_DATABASE_URL}.`,
      )
    })
  }
  await chmod(directory, 0o700)
}

async function refuseUnreachable(directory: string, account: Account): Promise<void> {
  for (let above = dirname(directory); above !== dirname(above); above = dirname(above)) {
    const { uid, gid, mode } = await stat(above)
    const may = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    if (mode & may) continue
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root but as uid ${account.uid}, which may not enter ${above}. Name a folder elsewhere (/var/lib/writ), or: ${USE_DATABASE_URL}.`,
    )
  }
}

/** What a start that was killed left half done. The age keeps us from a start that is going on right now. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!LEFTOVER.test(name)) continue
    const found = await stat(join(directory, name)).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > LEFTOVER_AGE_MS) await rm(join(directory, name), { recursive: true })
  }
}
