import type { Vault } from './client.ts'
import type { Lease } from './response.ts'
import { Secret } from './secret.ts'

/** A user of a database; without the lease it lives for as long as somebody keeps it. */
export interface DatabaseCredentials {
  readonly user: string
  readonly password: Secret
  readonly lease: Lease
}

/** Reads `<mount>/creds/<role>` of a database engine, or what answers alike. Null: there is no user and password in the answer. */
export async function readDatabaseCredentials(
  vault: Vault,
  token: Secret,
  path: string,
  signal?: AbortSignal,
): Promise<DatabaseCredentials | null> {
  const answer = await vault.send({ method: 'GET', path, token, signal })
  const { username, password } = answer?.data ?? {}
  if (!answer || typeof username !== 'string' || typeof password !== 'string') return null
  return { user: username, password: new Secret(password), lease: answer.lease }
}
