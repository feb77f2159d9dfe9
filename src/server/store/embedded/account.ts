import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { EmbeddedPostgresError, USE_DATABASE_URL } from './failure.ts'

/** Whom PostgreSQL runs as. `switched`: another account than this process, so the children are spawned with uid and gid. */
export interface Account {
  readonly uid: number
  readonly gid: number
  readonly switched: boolean
}

/**
 * PostgreSQL refuses to run as root, so root lends it the account of `nobody`, which every Linux has: no useradd needed.
 * Everyone else runs it as themselves.
 *
 * @throws {EmbeddedPostgresError} when initdb could not look the account up and would fail with an obscure message
 */
export async function postgresAccount(passwdFile = '/etc/passwd', lookUpSelf = userInfo): Promise<Account> {
  const uid = process.getuid?.() ?? -1
  if (uid === 0) return nobody(passwdFile)
  try {
    return { uid, gid: lookUpSelf().gid, switched: false }
  } catch {
    // platforms that run containers under a random uid (OpenShift) have no passwd entry for it
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL needs a user name, and uid ${uid} has none. ${USE_DATABASE_URL}.`,
    )
  }
}

async function nobody(passwdFile: string): Promise<Account> {
  const passwd = await readFile(passwdFile, 'utf8').catch(() => '')
  const [, , uid, gid] =
    passwd
      .split('\n')
      .find(line => line.startsWith('nobody:'))
      ?.split(':') ?? []
  if (!Number(uid) || !Number(gid)) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and ${passwdFile} has no account "nobody" to lend it. Start writ as an ordinary user, or: ${USE_DATABASE_URL}.`,
    )
  }
  return { uid: Number(uid), gid: Number(gid), switched: true }
}
