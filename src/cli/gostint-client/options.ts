import { readFile } from 'node:fs/promises'
import { Secret } from '../../vault/secret.ts'
import { FLAGS, type Flags } from './flag-table.ts'

/** How the requestor proves to Vault who she is. */
export type Credentials =
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: 'approle'; readonly roleId: string; readonly secretId: Secret }

export interface Options {
  readonly server: { readonly url: string; readonly ca: string | undefined; readonly verify: boolean }
  readonly vault: {
    readonly address: string
    readonly ca: string | undefined
    readonly namespace: string | undefined
    readonly serverName: string | undefined
  }
  readonly credentials: Credentials
  readonly jobRole: string
  readonly pollMs: number
  readonly wait: boolean
  readonly debug: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Flags that were read well and cannot work together; one line each. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('; '))
    this.problems = problems
  }
}

/** A tenth of a second at least: `-poll-interval=0` must not become a flood of requests. */
const SHORTEST_POLL_MS = 100

/** `@file` replaced by what is in the file, trimmed, for the flags that take it. */
export async function readFiles(flags: Flags): Promise<Flags> {
  const read: Record<string, unknown> = { ...flags }
  for (const [name, flag] of Object.entries(FLAGS)) {
    const value = read[name]
    if (!('file' in flag) || typeof value !== 'string' || !value.startsWith('@')) continue
    read[name] = await readFile(value.slice(1), 'utf8').then(
      text => text.trim(),
      // without the name: a token with an @ before it is a mistake that must not end up in a log
      error => Promise.reject(new OptionsError([`-${name}: the file after @ cannot be read (${error.code})`])),
    )
  }
  return read as Flags
}

/** Checks the flags together (gostint.md §16.2). Throws `OptionsError` with everything that is wrong. */
export async function readOptions(flags: Flags, env: Environment): Promise<Options> {
  const address = flags['vault-url'] || env.VAULT_ADDR || ''
  const problems = [
    ...addressProblems('-url', flags.url ?? ''),
    ...addressProblems('-vault-url (or VAULT_ADDR)', address),
    ...credentialProblems(flags),
    ...(['IfNotPresent', 'Always', undefined].includes(flags['image-pull-policy'])
      ? []
      : ['-image-pull-policy is either IfNotPresent or Always']),
  ]
  if (problems.length > 0) throw new OptionsError(problems)
  return {
    server: {
      url: flags.url ?? '',
      ca: await certificate(env, 'WRIT_CACERT'),
      verify: env.GOSTINT_SKIP_VERIFY !== '1',
    },
    vault: {
      address,
      ca: await certificate(env, 'VAULT_CACERT'),
      namespace: env.VAULT_NAMESPACE,
      serverName: env.VAULT_TLS_SERVER_NAME,
    },
    credentials: flags['vault-token']
      ? { kind: 'token', token: new Secret(flags['vault-token']) }
      : {
          kind: 'approle',
          roleId: flags['vault-roleid'] ?? '',
          secretId: new Secret(flags['vault-secretid'] ?? ''),
        },
    jobRole: flags['gostint-approle'] || FLAGS['gostint-approle'].default,
    pollMs: Math.max(SHORTEST_POLL_MS, (flags['poll-interval'] ?? 1) * 1000),
    wait: flags.wait ?? true,
    debug: flags.debug ?? false,
  }
}

function addressProblems(what: string, text: string): string[] {
  if (text === '') return [`${what} is needed`]
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') return [`${what} is not an http(s) address`]
  // addresses are part of error messages
  return url.username || url.password ? [`${what} must not hold a name or a password`] : []
}

function credentialProblems(flags: Flags): string[] {
  const [token, roleId, secretId] = [flags['vault-token'], flags['vault-roleid'], flags['vault-secretid']]
  if (token) return roleId || secretId ? ['-vault-token or -vault-roleid and -vault-secretid, not both'] : []
  if (!roleId && !secretId) return ['-vault-token, or -vault-roleid and -vault-secretid, is needed']
  if (!roleId) return ['-vault-secretid needs -vault-roleid']
  return secretId ? [] : ['-vault-roleid needs -vault-secretid']
}

async function certificate(env: Environment, name: string): Promise<string | undefined> {
  const path = env[name]
  if (!path) return undefined
  return await readFile(path, 'utf8').catch(error => {
    throw new OptionsError([`${name} names ${path}, which cannot be read (${error.code})`])
  })
}
