import { WritError } from '../../../protocol/errors.ts'

export type Protocol = 'https' | 'ssh' | 'http' | 'file'

/** What is allowed unless a setting says otherwise: both prove who the server is. */
const SAFE_PROTOCOLS: readonly Protocol[] = ['https', 'ssh']

export interface Address {
  readonly protocol: Protocol
  /** Put together anew from its checked parts: what git gets is nothing that somebody wrote. */
  readonly url: string
  /** `host` or `host:port`; empty for a local path. */
  readonly host: string
}

const HOST = String.raw`(?<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])`
const USER = '(?:(?<user>[a-z0-9_][a-z0-9._-]*)@)?'
const PORT = '(?::(?<port>[0-9]{1,5}))?'
const WEB = new RegExp(`^(?<protocol>https?)://${HOST}${PORT}(?<path>/.*)$`, 'i')
const SSH = new RegExp(`^(?:git\\+)?ssh://${USER}${HOST}${PORT}(?<path>/.*)$`, 'i')
/** `user@host:path`; without a user it would be read as a local path or a transport helper (`ext::`). */
const SCP = new RegExp(`^(?<user>[a-z0-9_][a-z0-9._-]*)@${HOST}:(?<path>[^:].*)$`, 'i')
const FILE = /^(?:file:\/\/)?(?<path>\/.*)$/i

/**
 * A repository's address, checked; `repository_address_invalid` otherwise, and its detail never repeats the address:
 * there may be a password in it. Refused besides what is no address: `ext::` and other helpers that run commands, options
 * in place of a host or path, passwords, and control characters.
 */
export function parseAddress(text: string, protocols: readonly Protocol[] = SAFE_PROTOCOLS): Address {
  if (text.length > 2048 || /[^\x21-\x7e]/.test(text) || /[\\'"`$<>|;&*]/.test(text)) throw refused('its characters')
  if (/^[a-z+]+:\/\/[^/]*:[^/]*@/i.test(text)) throw refused('it holds a password')
  const address = web(text) ?? ssh(text) ?? file(text)
  if (!address) throw refused('it is neither https:// nor ssh:// nor user@host:path')
  if (!protocols.includes(address.protocol)) throw refused(`${address.protocol} is not allowed`)
  return address
}

function web(text: string): Address | undefined {
  const { protocol, host, port, path } = WEB.exec(text)?.groups ?? {}
  if (!protocol || !host || !path) return undefined
  if (/[?#]/.test(path)) throw refused('it has a query')
  const lower = protocol.toLowerCase() as 'http' | 'https'
  const full = withPort(host, port)
  return { protocol: lower, url: `${lower}://${full}${checkedPath(path)}`, host: full }
}

function ssh(text: string): Address | undefined {
  const { user, host, port, path } = SSH.exec(text)?.groups ?? {}
  if (!host || !path) return scp(text)
  const full = withPort(host, port)
  return { protocol: 'ssh', url: `ssh://${user ? `${user}@` : ''}${full}${checkedPath(path)}`, host: full }
}

/** Not rewritten as ssh://: there, a path that does not begin at the root cannot be said so that all servers take it. */
function scp(text: string): Address | undefined {
  const { user, host, path } = SCP.exec(text)?.groups ?? {}
  if (!host || !path) return undefined
  return { protocol: 'ssh', url: `${user}@${host.toLowerCase()}:${checkedPath(path)}`, host: host.toLowerCase() }
}

function file(text: string): Address | undefined {
  const path = FILE.exec(text)?.groups?.path
  return path ? { protocol: 'file', url: `file://${checkedPath(path)}`, host: '' } : undefined
}

function withPort(host: string, port: string | undefined): string {
  if (port === undefined) return host.toLowerCase()
  if (Number(port) < 1 || Number(port) > 65_535) throw refused('its port')
  return `${host.toLowerCase()}:${Number(port)}`
}

function checkedPath(path: string): string {
  // git decodes it. The attack: `%2e%2e`, and a submodule is another folder of this machine than the one that it seems to be beside
  const read = path.replace(/%[0-9a-f]{2}/gi, hex => String.fromCharCode(Number.parseInt(hex.slice(1), 16)))
  for (const way of [path, read]) {
    // A first part such as "--upload-pack=…" would become an option of the program at the other end.
    if (/(^|\/)-/.test(way)) throw refused('a part of its path begins with a dash')
    if (/(^|\/)\.\.(\/|$)/.test(way)) throw refused('there is ".." in its path')
  }
  return path
}

function refused(why: string): WritError {
  return new WritError('repository_address_invalid', why)
}
