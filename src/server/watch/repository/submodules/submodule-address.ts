import { WritError } from '../../../../protocol/errors.ts'
import { type Address, type Protocol, parseAddress } from '../address.ts'

/** Where submodules may be. */
export interface Reach {
  /** The watch's own address: where its credential may go. */
  readonly own: Address
  /** As `originOf` writes them: what else may be asked, without any credential. */
  readonly hosts: readonly string[]
  readonly protocols?: readonly Protocol[] | undefined
}

/**
 * The address of a submodule, from the text of a commit. `base` is that of the repository which the text is in: a relative one starts
 * there, as git has it, and cannot leave its server. Throws `submodule_address_refused`, `submodule_host_refused`; no message repeats
 * the text.
 */
export function submoduleAddress(url: string, base: Address, { own, hosts, protocols }: Reach): Address {
  let address: Address
  try {
    if (/%([01][0-9a-f]|7f)/i.test(url)) throw new WritError('repository_address_invalid', 'a control character in it')
    address = parseAddress(/^\.\.?\//.test(url) ? relativeTo(base, url) : url, protocols)
  } catch (error) {
    const why = error instanceof WritError ? error.detail : undefined
    throw new WritError('submodule_address_refused', why, { cause: error })
  }
  if (address.protocol === 'file' && !isBeside(address, own))
    throw new WritError('submodule_host_refused', 'another folder of this machine')
  const origin = originOf(address)
  if (origin !== originOf(own) && !hosts.includes(origin)) throw new WritError('submodule_host_refused', origin)
  return address
}

/**
 * A path is on the server of every other path. The attack: a commit that names the copy which another watch has of a private repository,
 * or whatever else on this machine is one.
 */
function isBeside({ url }: Address, own: Address): boolean {
  const folder = own.url.replace(/\/+$/, '').replace(/[^/]+$/, '')
  return own.protocol === 'file' && folder !== 'file:///' && url.startsWith(folder)
}

/** Whom a credential of the watch may be shown: protocol, user of ssh, host and port, all of them. */
export function isSameServer(a: Address, b: Address): boolean {
  return originOf(a) === originOf(b)
}

const USUAL_PORTS: Readonly<Record<Protocol, string>> = { https: ':443', http: ':80', ssh: ':22', file: '' }

/** `https://host`, `ssh://user@host:2222`; of a path of this machine, `file://`. */
export function originOf({ protocol, url, host }: Address): string {
  const usual = USUAL_PORTS[protocol]
  const place = usual && host.endsWith(usual) ? host.slice(0, -usual.length) : host
  const user = protocol === 'ssh' ? (/^(?:ssh:\/\/)?([^/@:]+@)/.exec(url)?.[1] ?? '') : ''
  return `${protocol}://${user}${place}`
}

/** The server's part of an address and the path on it; that of `user@host:path` need not begin at the root. */
function partsOf({ url }: Address): [server: string, path: string] {
  const [, server = '', path = ''] = /^([a-z]+:\/\/[^/]*|[^/:]+@(?:\[[^\]]*\]|[^/:]+):)(.*)$/.exec(url) ?? []
  return [server, path]
}

/** As git's `relative_url`: each `../` takes a part of the path away, never one of the server. */
function relativeTo(base: Address, relative: string): string {
  const [server, path] = partsOf(base)
  const parts = path.replace(/\/+$/, '').split('/')
  let rest = relative
  for (;;) {
    if (rest.startsWith('./')) rest = rest.slice(2)
    else if (rest.startsWith('../')) {
      if (parts.length === 0 || (parts.length === 1 && parts[0] === ''))
        throw new WritError('repository_address_invalid', 'it leads out of its server')
      parts.pop()
      rest = rest.slice(3)
    } else return `${server}${[...parts, rest].join('/')}`
  }
}
