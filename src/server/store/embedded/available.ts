import { postgresAccount } from './account.ts'
import { packagedBinaries } from './binaries.ts'

/**
 * The version of the PostgreSQL that would be started here, without starting it.
 *
 * @throws {EmbeddedPostgresError} when there would be none; the message says what to do
 */
export async function embeddedPostgresVersion(): Promise<string> {
  await postgresAccount()
  return (await packagedBinaries()).version
}
