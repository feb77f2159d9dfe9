import { WritError } from '../../../protocol/errors.ts'
import type { Vault } from '../../../vault/client.ts'
import { isVaultError } from '../../../vault/error.ts'
import type { Secret } from '../../../vault/secret.ts'
import type { PolicySet } from './policy.ts'
import { policiesInvalid, readPolicies } from './read.ts'

export interface PolicySource {
  /** With its mount: `secret/gatekeeper`, or `secret/data/gatekeeper` for a version 2 mount; either finds both. */
  readonly path: string
  /** Documents below the path are read too, and joined. */
  readonly nested: boolean
  /** Where two documents have the same pattern: the first counts (version 1.6), or the last (version 2). */
  readonly lastWins: boolean
  readonly renewable: boolean
}

const MOST_DOCUMENTS = 1000

type Document = Readonly<Record<string, unknown>>

/**
 * Reads the policies out of Vault. Throws `policies_missing`, `policies_invalid` or `VaultError`. Nothing there is an error: in
 * vault-gatekeeper it gave every task the default policy, and a version 2 mount looked like nothing (gatekeeper.md §18.4.9).
 */
export async function loadPolicies(
  vault: Vault,
  token: Secret,
  source: PolicySource,
  signal?: AbortSignal,
): Promise<PolicySet> {
  const ask = { vault, token, signal }
  const { mount, name, version } = await locate(ask, source.path)
  const merged = new Map<string, unknown>()
  for await (const document of documents(ask, mount, name, version, source.nested)) {
    for (const [pattern, policy] of Object.entries(document)) {
      if (source.lastWins || !merged.has(pattern)) merged.set(pattern, policy)
    }
  }
  if (merged.size === 0) throw new WritError('policies_missing')
  const { set, problems } = readPolicies(Object.fromEntries(merged), source)
  if (!set) throw policiesInvalid(problems)
  return set
}

interface Ask {
  readonly vault: Vault
  readonly token: Secret
  readonly signal: AbortSignal | undefined
}

/** Which version the mount is. Vault says it to whoever may read the path; where it does not, the path does. */
async function locate(ask: Ask, path: string): Promise<{ mount: string; name: string; version: 1 | 2 }> {
  const clean = path.split('/').filter(Boolean)
  if (clean.length < 2) throw new WritError('policies_missing', 'the path has no mount')
  const [first = '', ...rest] = clean
  const saysData = rest[0] === 'data' && rest.length > 1
  let mount = first
  let version: 1 | 2 = saysData ? 2 : 1
  try {
    const answer = await get(ask, `sys/internal/ui/mounts/${clean.join('/')}`)
    const options = answer?.options as { version?: unknown } | undefined
    if (typeof answer?.path === 'string') {
      mount = answer.path.replace(/\/$/, '')
      version = options?.version === '2' ? 2 : 1
    }
  } catch (error) {
    if (!isVaultError(error, 'denied', 'invalid', 'not_found')) throw error
  }
  const below = clean.slice(mount.split('/').length)
  const name = (version === 2 && below[0] === 'data' && below.length > 1 ? below.slice(1) : below).join('/')
  return { mount, name, version }
}

async function* documents(ask: Ask, mount: string, name: string, version: 1 | 2, nested: boolean) {
  const [data, metadata] = version === 2 ? [`${mount}/data`, `${mount}/metadata`] : [mount, mount]
  const own = await read(ask, `${data}/${name}`, version)
  if (own) yield own
  if (!nested) return
  const folders = [name]
  let found = 0
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const key of await list(ask, `${metadata}/${folder}/`)) {
      if (++found > MOST_DOCUMENTS) throw new WritError('policies_invalid', `more than ${MOST_DOCUMENTS} documents`)
      if (key.endsWith('/')) folders.push(`${folder}/${key.slice(0, -1)}`)
      else {
        const document = await read(ask, `${data}/${folder}/${key}`, version)
        if (document) yield document
      }
    }
  }
}

/** In a version 1 mount, vault-gatekeeper 2 keeps the document under one key `data` (gatekeeper.md §14.1). */
async function read(ask: Ask, path: string, version: 1 | 2): Promise<Document | null> {
  const found = await get(ask, path)
  if (!found) return null
  if (version === 2) return isObject(found.data) ? found.data : null
  const { data, ...others } = found
  const wrapped = isObject(data) && Object.keys(others).length === 0 && Object.values(data).every(isObject)
  return wrapped ? data : found
}

async function get({ vault, token, signal }: Ask, path: string): Promise<Document | null> {
  try {
    return (await vault.send({ method: 'GET', path, token, signal }))?.data ?? null
  } catch (error) {
    if (isVaultError(error, 'not_found')) return null
    throw error
  }
}

async function list({ vault, token, signal }: Ask, path: string): Promise<string[]> {
  try {
    const keys = (await vault.send({ method: 'LIST', path, token, signal }))?.data?.keys
    return Array.isArray(keys) ? keys.filter(key => typeof key === 'string') : []
  } catch (error) {
    if (isVaultError(error, 'not_found')) return []
    throw error
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
