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

/** Calls with a client that is closed afterwards. */
export async function withClient<T>(options: ConnectOptions, action: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(options)
  try {
    return await action(client)
  } finally {
    await client.close()
  }
}
