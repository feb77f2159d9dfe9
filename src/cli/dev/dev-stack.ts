import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { startDevVault } from '../../dev-vault/index.ts'
import { readConfig } from '../../server/config.ts'
import { startServer } from '../../server/main.ts'
import { startEmbeddedPostgres } from '../../server/store/embedded/postgres.ts'
import { Vault } from '../../vault/client.ts'
import { Secret } from '../../vault/secret.ts'
import { DEFAULTS } from '../vault-setup/plan.ts'
import { loginWatcher, prepareVault, serverSettings } from './prepare-vault.ts'

export interface DevStackOptions {
  readonly port: number
  /** Where the database is kept; without it in a temporary folder that goes away at the end. */
  readonly data?: string | undefined
  readonly log: Logger
  /** Settings of the server, by their environment names, over those of the environment. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A whole writ on embedded parts, and what one needs to use it. */
export interface DevStack {
  readonly server: string
  readonly node: string
  readonly vault: string
  readonly databaseUrl: string
  readonly rootToken: Secret
  /** Logged in by an AppRole with the requestor's policy, so it has an identity as a person's token has. */
  readonly requestorToken: Secret
  readonly jobRole: string
  readonly jobRoleId: string
  readonly serverRoleId: string
  close(): Promise<void>
}

export async function startDevStack({ port, data, log, settings }: DevStackOptions): Promise<DevStack> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const directory = data ?? (await mkdtemp(join(tmpdir(), 'writ-')))
    if (!data) closers.push(() => rm(directory, { recursive: true, force: true }))
    const [postgres, vault] = await Promise.all([
      startEmbeddedPostgres({ directory }).then(started => {
        closers.push(() => started.stop())
        return started
      }),
      startDevVault().then(started => {
        closers.push(() => started.close())
        return started
      }),
    ])
    const client = new Vault({ address: vault.address })
    closers.push(() => client.close())
    const rootToken = new Secret(vault.rootToken)
    const identities = await prepareVault(client, rootToken)
    const server = await startServer(
      readConfig({
        // folders of this machine too, to try watches with
        WRIT_WATCH_PROTOCOLS: 'https,ssh,file',
        ...process.env,
        DATABASE_URL: postgres.url,
        VAULT_ADDR: vault.address,
        WRIT_PORT: String(port),
        ...serverSettings(identities),
        ...settings,
      }),
      log,
    )
    closers.push(() => server.close())
    return {
      server: server.address,
      node: server.node,
      vault: vault.address,
      databaseUrl: postgres.url,
      rootToken,
      requestorToken: await loginWatcher(client, rootToken, 'writ-dev'),
      jobRole: DEFAULTS.jobRole,
      jobRoleId: identities.jobRoleId,
      serverRoleId: identities.serverRoleId,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
