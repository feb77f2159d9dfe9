import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../../client/client.ts'
import { Vault } from '../../vault/client.ts'
import { Secret } from '../../vault/secret.ts'
import { UsageError } from '../failure.ts'

/** Options that every command which talks to a server takes. */
export interface ConnectOptions {
  readonly server?: string
  readonly jobRole?: string
  readonly json?: boolean
}

/** A client from flags and environment. Throws `UsageError` with everything that is missing. */
export async function connect(options: ConnectOptions): Promise<Client> {
  const server = options.server ?? process.env.WRIT_ADDR
  const address = process.env.VAULT_ADDR
  const token = await findToken()
  const missing = [
    ...(server ? [] : ['WRIT_ADDR is not set: the address of the server, or of a courier (or --server)']),
    ...(address ? [] : ['VAULT_ADDR is not set: the address of Vault']),
    ...(token ? [] : ['VAULT_TOKEN is not set and there is no ~/.vault-token: log in with `vault login`']),
  ]
  if (!server || !address || !token)
    throw new UsageError(missing.join('\n'), '`writ dev` starts everything and prints what to set')
  return new Client({
    server,
    serverCa: await readIfNamed('WRIT_CACERT'),
    vault: new Vault({
      address,
      ca: await readIfNamed('VAULT_CACERT'),
      namespace: process.env.VAULT_NAMESPACE,
      serverName: process.env.VAULT_TLS_SERVER_NAME,
    }),
    token,
    jobRole: options.jobRole ?? process.env.WRIT_JOB_ROLE,
    tokenPolicies: process.env.WRIT_TOKEN_POLICIES?.split(','),
  })
}

/** As the vault command does: the environment, then the file that `vault login` writes. */
export async function findToken(): Promise<Secret | null> {
  if (process.env.VAULT_TOKEN) return new Secret(process.env.VAULT_TOKEN)
  const text = await readFile(join(homedir(), '.vault-token'), 'utf8').catch(() => '')
  return text.trim() ? new Secret(text.trim()) : null
}

export async function readIfNamed(name: string): Promise<string | undefined> {
  const path = process.env[name]
  if (!path) return undefined
  return await readFile(path, 'utf8').catch(error => {
    throw new UsageError(`${name} names ${path}, which cannot be read (${error.code})`)
  })
}
