import { createHash } from 'node:crypto'
import { lstat, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, EmbeddedPostgresError } from './failure.ts'

const SOCKET = '.s.PGSQL.5432'
/** sun_path holds 108 bytes, one of them the final NUL. */
const LONGEST = 107

/** Where the way to the socket begins: the folder itself, or a short link to it when the kernel would refuse the full path. */
export function socketDirectory(directory: string): string {
  if (Buffer.byteLength(join(directory, SOCKET)) <= LONGEST) return directory
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  return `/tmp/writ-${process.getuid?.()}-${digest}`
}

/**
 * Makes the short link, if one is needed. /tmp is everybody's: a link that somebody else put there would take our queries to
 * their database, so only our own link is accepted (nobody else can then replace it, the folder being sticky).
 */
export async function linkSocketDirectory(directory: string): Promise<string> {
  const link = socketDirectory(directory)
  if (link === directory) return link
  await symlink(directory, link).catch(error => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
  const found = await lstat(link)
  if (!found.isSymbolicLink() || found.uid !== process.getuid?.() || (await readlink(link)) !== directory) {
    throw new EmbeddedPostgresError(
      `${link} is in the way (it is not our link to ${directory}). Remove it, or name a folder with a shorter path.`,
    )
  }
  return link
}

export async function unlinkSocketDirectory(directory: string): Promise<void> {
  const link = socketDirectory(directory)
  if (link !== directory) await rm(link, { force: true })
}

/** The address for `pg`. Port and sslmode are written out so that PGPORT and PGSSLMODE of the environment cannot change it. */
export function socketUrl(directory: string): string {
  return `postgres://app@/postgres?host=${encodeURIComponent(socketDirectory(directory))}&port=5432&sslmode=disable`
}
