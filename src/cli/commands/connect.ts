import { constants } from 'node:os'
import { Client } from '../../client/client.ts'
import { clientSettings, findToken, MISSING, readCa, vaultOf } from '../client-settings.ts'
import { UsageError } from '../failure.ts'

/** Options that every command which talks to a server takes. */
export interface ConnectOptions {
  readonly server?: string
  readonly jobRole?: string
  readonly json?: boolean
}

/** A client from flags, environment and configuration file. Throws `UsageError` with everything that is missing. */
async function connect(options: ConnectOptions): Promise<Client> {
  const settings = await clientSettings({ server: options.server, job_role: options.jobRole })
  const { server, vault: address } = settings
  const token = await findToken()
  const missing = [
    ...(server ? [] : [MISSING.server]),
    ...(address ? [] : [MISSING.vault]),
    ...(token ? [] : [MISSING.token]),
  ]
  if (!server || !address || !token)
    throw new UsageError(missing.join('\n'), '`writ dev` starts everything and prints what to set')
  return new Client({
    server,
    serverCa: await readCa(settings, 'server_ca'),
    vault: await vaultOf(settings, address),
    token,
    jobRole: settings.job_role,
    tokenPolicies: process.env.WRIT_TOKEN_POLICIES?.split(','),
  })
}

/** Calls with a client that is closed afterwards, also where one of these signals ends us meanwhile. */
export async function withClient<T>(
  options: ConnectOptions,
  action: (client: Client) => Promise<T>,
  signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): Promise<T> {
  const client = await connect(options)
  const end = (signal: NodeJS.Signals) => leave(client, signal)
  // once: the second time it ends at once, and revokes nothing
  for (const signal of signals) process.once(signal, end)
  try {
    return await action(client)
  } finally {
    for (const signal of signals) process.off(signal, end)
    await client.close()
  }
}

/** Ends the command, and the token that the server got from it. */
export function leave(client: Client, signal: NodeJS.Signals): void {
  void client.close().finally(() => process.exit(128 + constants.signals[signal]))
}
