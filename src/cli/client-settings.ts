import { readFile } from 'node:fs/promises'
import { Vault } from '../vault/client.ts'
import { Secret } from '../vault/secret.ts'
import { CONFIG_KEYS, type ConfigKey, type ConfigValues, readConfigFile } from './config-file.ts'
import { UsageError } from './failure.ts'
import { homeFile } from './home-file.ts'

/** Where things are: flags first, then the environment, then the configuration file. What is set to nothing is nothing. */
export async function clientSettings(
  flags: Readonly<Partial<Record<ConfigKey, string | undefined>>> = {},
): Promise<ConfigValues> {
  const file = await readConfigFile()
  const keys = Object.keys(CONFIG_KEYS) as ConfigKey[]
  const pairs = keys.map(key => [key, flags[key] ?? process.env[CONFIG_KEYS[key].env] ?? file[key]] as const)
  for (const key of ['server', 'vault'] as const)
    checkAddress(
      flags[key] === undefined ? CONFIG_KEYS[key].env : `--${key}`,
      flags[key] ?? process.env[CONFIG_KEYS[key].env],
    )
  return Object.fromEntries(pairs.filter(([, value]) => value))
}

/** Where a request goes: `name` is what one would look at. Nothing is no mistake. Throws `UsageError`, without the value. */
export function checkAddress(name: string, value: string | undefined): void {
  if (!value || /^https?:$/.test(URL.parse(value)?.protocol ?? '')) return
  throw new UsageError(`${name} is no address`, 'Write it as https://host:port, or http:// where there is no TLS.')
}

/** As the vault command does: the environment, then the file that `vault login` writes. */
export async function findToken(): Promise<Secret | null> {
  if (process.env.VAULT_TOKEN) return new Secret(process.env.VAULT_TOKEN)
  const path = homeFile('.vault-token')
  const text = path ? await readFile(path, 'utf8').catch(() => '') : ''
  return text.trim() ? new Secret(text.trim()) : null
}

/** The Vault of the settings; `address` is told apart because it must be there. Throws `UsageError` where its CA cannot be read. */
export async function vaultOf(settings: ConfigValues, address: string): Promise<Vault> {
  return new Vault({
    address,
    ca: await readCa(settings, 'vault_ca'),
    namespace: settings.vault_namespace,
    serverName: process.env.VAULT_TLS_SERVER_NAME,
  })
}

/** The PEM file that a setting names. */
export async function readCa(settings: ConfigValues, key: 'server_ca' | 'vault_ca'): Promise<string | undefined> {
  const path = settings[key]
  if (!path) return undefined
  return await readFile(path, 'utf8').catch(error => {
    const name = process.env[CONFIG_KEYS[key].env] ? CONFIG_KEYS[key].env : `${key} of the configuration file`
    throw new UsageError(`${name} names ${path}, which cannot be read (${error.code})`)
  })
}

/** What to say of settings that are missing. */
export const MISSING = {
  server: 'WRIT_ADDR is not set: the address of the server, or of a courier (or --server)',
  vault: 'VAULT_ADDR is not set: the address of Vault',
  token: 'VAULT_TOKEN is not set and there is no ~/.vault-token: log in with `vault login`',
} as const
