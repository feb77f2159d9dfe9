import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Document } from 'yaml'
import { UsageError } from './failure.ts'
import { homeFile } from './home-file.ts'
import { quoted } from './shell-word.ts'

/** What the configuration file of the command line may say, and the name in the environment that wins over it. */
export const CONFIG_KEYS = {
  server: { env: 'WRIT_ADDR', describe: 'address of the server, or of a courier' },
  server_ca: { env: 'WRIT_CACERT', describe: 'PEM file of the authority that signed its certificate' },
  vault: { env: 'VAULT_ADDR', describe: 'address of Vault' },
  vault_ca: { env: 'VAULT_CACERT', describe: "PEM file of the authority that signed Vault's certificate" },
  vault_namespace: { env: 'VAULT_NAMESPACE', describe: 'namespace in Vault' },
  queue: { env: 'WRIT_QUEUE', describe: 'queue of jobs that are submitted without `--queue`' },
  job_role: { env: 'WRIT_JOB_ROLE', describe: "the server's job role" },
} as const
export type ConfigKey = keyof typeof CONFIG_KEYS
export type ConfigValues = Readonly<Partial<Record<ConfigKey, string>>>

const PATHS: readonly string[] = ['server_ca', 'vault_ca']
const ADDRESSES: readonly string[] = ['server', 'vault']
const SECRET_NAME = /token|passw|secret|credential|private|identity|auth/i
const SECRET_VALUE = /^(?:hv[sbr]|[sbr])\.[\w.-]{8,}$|^AGE-SECRET-KEY-|-----BEGIN [A-Z ]*PRIVATE KEY/
const NO_SECRETS = 'Take it out, and make it a new one if others can read the file: `vault login` keeps the token.'

/**
 * Reads the file that WRIT_CONFIG names, or ~/.config/writ/config.yaml if it is there. Paths in it start from its own folder.
 * Throws `UsageError`; a value is never repeated in it.
 */
export async function readConfigFile(env: NodeJS.ProcessEnv = process.env): Promise<ConfigValues> {
  const path = env.WRIT_CONFIG ?? homeFile('.config', 'writ', 'config.yaml')
  if (!path) return {}
  const text = await readOwn(path, env.WRIT_CONFIG === undefined)
  return text === null ? {} : await parseConfig(text, resolve(path))
}

async function readOwn(path: string, optional: boolean): Promise<string | null> {
  try {
    await using file = await open(path)
    const { mode, uid } = await file.stat()
    // whoever writes it chooses where the Vault token goes
    if (mode & 0o022 || ![0, process.getuid?.()].includes(uid))
      throw new UsageError(
        `${path} can be changed by others than you`,
        `chown "$USER" ${quoted(path)} && chmod 600 ${quoted(path)}`,
      )
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (optional && (code === 'ENOENT' || code === 'ENOTDIR')) return null
    throw new UsageError(`${path} cannot be read (${code})`, optional ? '' : 'Correct or unset WRIT_CONFIG.')
  }
}

async function parseConfig(text: string, path: string): Promise<ConfigValues> {
  // loaded when there is a file: it is a tenth of the time to start
  const { parseDocument } = await import('yaml')
  // its own messages hold the line that is wrong, and what is in it
  const document = parseDocument(text, { prettyErrors: false })
  const [wrong] = document.errors
  if (wrong) {
    const line = text.slice(0, wrong.pos[0]).split('\n').length
    throw new UsageError(`${path} is no YAML: line ${line} (${wrong.code})`, 'Write one `key: value` to a line.')
  }
  const content = plain(document, path)
  if (content === null || typeof content !== 'object' || Array.isArray(content))
    throw new UsageError(`${path} is not made of \`key: value\``, known())
  return Object.fromEntries(Object.entries(content).map(([key, value]) => [key, checked(path, key, value)]))
}

function plain(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {}
  } catch {
    throw new UsageError(`${path} has aliases in it`, known())
  }
}

function checked(path: string, key: string, value: unknown): string {
  if (!Object.hasOwn(CONFIG_KEYS, key)) {
    if (SECRET_NAME.test(key)) throw new UsageError(`${path}: ${key} has no place in a file`, NO_SECRETS)
    throw new UsageError(`${path}: there is no ${key}`, known())
  }
  if (typeof value !== 'string') throw new UsageError(`${path}: ${key} is no text`, 'Put quotes around it.')
  if (SECRET_VALUE.test(value.trim())) throw new UsageError(`${path}: ${key} holds a token or a key`, NO_SECRETS)
  if (ADDRESSES.includes(key)) checkAddress(path, key, value)
  return PATHS.includes(key) && value ? resolve(dirname(path), value) : value
}

function checkAddress(path: string, key: string, value: string): void {
  const url = URL.parse(value)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`${path}: ${key} is no address`, 'Write it as https://host:port.')
  if (url.username || url.password || url.search)
    throw new UsageError(`${path}: ${key} holds a user, a password or a query`, NO_SECRETS)
}

function known(): string {
  return `It may say: ${Object.keys(CONFIG_KEYS).join(', ')}.`
}
