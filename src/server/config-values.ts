import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseDuration } from '../protocol/duration.ts'
import { urlPath } from '../vault/path.ts'
import { Secret } from '../vault/secret.ts'
import { staticArchitecture } from './runtimes/docker/gate-binary.ts'
import type { QueueWidth } from './store/claims.ts'
import type { Protocol } from './watch/repository/address.ts'

/** One setting: where it is read from and what it may be. `docs/configuration.md` is generated from `SETTINGS`. */
export interface Setting<T> {
  /** First name that is set wins; the later ones are those of the predecessors. */
  readonly names: readonly string[]
  readonly describe: string
  readonly fallback?: string
  /** Reads the text; throws an Error whose message goes on from "<NAME> ". */
  readonly parse: (text: string) => T
}

export const setting = <T>(
  names: readonly string[],
  parse: (text: string) => T,
  describe: string,
  fallback?: string,
): Setting<T> => ({ names, parse, describe, ...(fallback === undefined ? {} : { fallback }) })

// What the text of a setting may be. Each reads it, and throws an Error whose message goes on from the name of the setting.

export function anyText(text: string): string {
  return text
}

export function nonEmpty(text: string): string {
  if (text.trim() === '') throw new Error('is empty')
  return text.trim()
}

export function integer(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new Error(`is not a whole number from ${min} to ${max}`)
    return value
  }
}

export function decimal(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+(\.\d{1,2})?$/.test(text) || value < min || value > max)
      throw new Error(`is not a number from ${min} to ${max}, with two decimals at most`)
    return value
  }
}

/** In seconds. */
export function duration(min = 0) {
  return (text: string): number => {
    const value = parseDuration(text)
    if (value === null) throw new Error('is no duration: write 90s, 30m, 6h or a number of seconds')
    if (value < min) throw new Error(`is less than ${min} seconds`)
    return value
  }
}

/** The attack: in the network of the host, or of another container, a job reaches what listens there for nobody else. */
export function network(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text)) throw new Error('is not the name of a network')
  if (text === 'host') throw new Error("is the host's own network, which no job may have")
  return text
}

export function networks(text: string): string[] {
  return text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
    .map(network)
}

/** As Kubernetes names them. */
export function namespaces(text: string): string[] {
  const names = text
    .split(',')
    .map(name => name.trim())
    .filter(Boolean)
  for (const name of names)
    if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) throw new Error('is not a list of namespaces')
  return names
}

export function queueWidths(text: string): QueueWidth[] {
  const items = text.split(',').map(item => item.trim())
  return items.filter(Boolean).map(item => {
    const [, pattern, width] = /^([^=]+)=(\d{1,4})$/.exec(item) ?? []
    if (pattern === undefined || Number(width) < 1 || Number(width) > 1000)
      throw new Error('is not a list of name=width, such as build-*=4')
    // as the names of queues are
    return { pattern: pattern.trim().toLowerCase(), width: Number(width) }
  })
}

/** `name=3,other=1`, with names as of images. */
export function counts(text: string): ReadonlyMap<string, number> {
  const items = text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
  return new Map(
    items.map(item => {
      const [, name = '', count = ''] = /^([^=\s]+)=([1-9]\d?)$/.exec(item) ?? []
      if (!name) throw new Error('is no list of image=number, with numbers from 1 to 99')
      return [name, Number(count)] as const
    }),
  )
}

export function flag(text: string): boolean {
  if (!['0', '1'].includes(text)) throw new Error('is neither 0 nor 1')
  return text === '1'
}

export function oneOf<T extends string>(...allowed: T[]) {
  return (text: string): T => {
    const found = allowed.find(candidate => candidate === text)
    if (found === undefined) throw new Error(`is none of ${allowed.join(', ')}`)
    return found
  }
}

export function protocols(text: string): Protocol[] {
  const names = text.split(',').map(name => name.trim())
  const known = names.filter(name => ['https', 'ssh', 'http', 'file'].includes(name))
  if (known.length !== names.length) throw new Error('is not a list of https, ssh, http, file')
  return known as Protocol[]
}

export function cacheFolder(text: string): string {
  // not below the temporary folder: there, somebody else could have made it before us
  // git runs elsewhere
  return text ? resolve(text) : join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'writ', 'watch')
}

export function httpUrl(text: string): string {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw new Error('is not an http or https URL')
  if (url.username || url.password) throw new Error('holds a user name or password, which has no place there')
  if (url.search || url.hash) throw new Error('holds a query or fragment, which has no place there')
  return text
}

export function postgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new Error('does not begin with postgres://')
  return text
}

/** Whether such an address names a user or a password. */
export function namesUser(url: string): boolean {
  const [, authority = '', query = ''] = /^[^:]+:\/\/([^/?]*)[^?]*\??(.*)$/.exec(url) ?? []
  const parameters = new URLSearchParams(query)
  return authority.includes('@') || parameters.has('user') || parameters.has('password')
}

/** As in a policy, but of one thing and not of many. */
export function vaultPath(text: string): string {
  if (text === '') return text
  try {
    if (/["*+\s]/.test(text) || text.endsWith('/')) throw new Error()
    urlPath(text)
  } catch {
    throw new Error('is no path in Vault, such as database/creds/writ')
  }
  return text
}

export function roleName(text: string): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(text) || /^\.+$/.test(text)) throw new Error('is not a name of letters, digits, _ . -')
  return text
}

export function file(path: string): string | null {
  if (path === '') return null
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  // an empty certificate would mean no TLS, and an empty list of authorities the ones of the system
  if (text.trim() === '') throw new Error('names a file that is empty')
  return text
}

export function staticProgram(path: string): string {
  if (path !== '' && staticArchitecture(path) === null) throw new Error('names no statically linked program')
  return path
}

export function secretFile(path: string): Secret | null {
  const text = file(path)
  return text === null ? null : new Secret(text.trim())
}

export function secretText(text: string): Secret | null {
  return text === '' ? null : new Secret(text)
}
