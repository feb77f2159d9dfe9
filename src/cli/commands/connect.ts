import { constants } from 'node:os'
import { Client } from '../../client/client.ts'
import type { Vault } from '../../vault/client.ts'
import { clientSettings, findToken, MISSING, readCa, vaultOf } from '../client-settings.ts'
import { UsageError } from '../failure.ts'

/** Options that every command which talks to a server takes. */
export interface ConnectOptions {
  readonly server?: string
  readonly jobRole?: string
  readonly json?: boolean
}

/** A client from flags, environment and configuration file. Throws `UsageError` with everything that is missing. */
async function connect(options: ConnectOptions): Promise<{ client: Client; vault: Vault }> {
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
  const serverCa = await readCa(settings, 'server_ca')
  const vault = await vaultOf(settings, address)
  const tokenPolicies = process.env.WRIT_TOKEN_POLICIES?.split(',')
  return { client: new Client({ server, serverCa, vault, token, jobRole: settings.job_role, tokenPolicies }), vault }
}

/**
 * Calls with a client that is closed afterwards, and as well where a signal ends us meanwhile: then what the server got is revoked.
 * `onInterrupt` says of a Ctrl-C whether it means something else.
 */
export async function withClient<T>(
  options: ConnectOptions,
  action: (client: Client) => Promise<T>,
  onInterrupt: (client: Client) => boolean = () => false,
): Promise<T> {
  const { client, vault } = await connect(options)
  let leaving: Promise<never> | null = null
  const end = (signal: NodeJS.Signals) => {
    // the second time at once, and revokes nothing
    if (leaving !== null) process.exit(codeOf(signal))
    if (signal === 'SIGINT' && onInterrupt(client)) return
    leaving = client
      .close()
      .catch(() => {})
      .then(() => process.exit(codeOf(signal)))
  }
  for (const signal of SIGNALS) process.on(signal, end)
  try {
    return await action(client)
  } finally {
    await (leaving ?? client.close())
    await vault.close()
    for (const signal of SIGNALS) process.off(signal, end)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

function codeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
