import { Secret } from '../../../../vault/secret.ts'

/** Where the masters of a Mesos cluster are: named one by one, or to be asked of ZooKeeper. */
export type MesosAddress = MasterList | ZooKeeperAddress

export interface MasterList {
  readonly kind: 'masters'
  readonly secure: boolean
  /** `host:port`. */
  readonly hosts: readonly string[]
  /** `user:password` of HTTP authentication. */
  readonly login: Secret | undefined
}

export interface ZooKeeperAddress {
  readonly kind: 'zookeeper'
  /** Whether the masters that it names are asked over TLS. */
  readonly secure: boolean
  readonly servers: readonly { readonly host: string; readonly port: number }[]
  readonly path: string
  /** `user:password` of the digest scheme. */
  readonly login: Secret | undefined
}

const MASTER_PORT = 5050
/** As in any URL: vault-gatekeeper's masters may be behind a proxy that it named without a port. */
const PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, zk: 2181, zks: 2181 }
const FORM = /^(?:([A-Za-z]+):\/\/)?(?:([^@/]*)@)?([^/@]+)(\/.*)?$/
const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?)$/

/**
 * Reads `MESOS_MASTER` (gatekeeper.md §8.1, §15.1): `http://h:p,h:p`, `https://…`, `zk://[user:password@]h:p,h:p/path`, `zks://…` (masters
 * over TLS), or a bare list of hosts. Throws an Error whose message goes on from the setting's name, without a value.
 */
export function parseMesosAddress(text: string): MesosAddress {
  const [, written, login, list = '', path = '/'] = FORM.exec(text.trim()) ?? []
  const scheme = written?.toLowerCase() ?? 'http'
  if (!list || !['http', 'https', 'zk', 'zks'].includes(scheme)) {
    throw new Error('is not http://host:port,…, https://…, zk://host:port,…/path or zks://…')
  }
  const keeper = scheme.startsWith('zk')
  const port = (written && PORTS[scheme]) || MASTER_PORT
  const hosts = list.split(',').map(part => hostAndPort(part.trim(), port))
  const secret = login ? new Secret(decodeURIComponent(login)) : undefined
  if (!keeper) {
    return { kind: 'masters', secure: scheme === 'https', hosts: hosts.map(joined), login: secret }
  }
  const trimmed = path.replace(/\/+$/, '')
  if (!trimmed) throw new Error('names no path in ZooKeeper: it is zk://host:port/mesos for most')
  if (!/^(\/[\w.-]+)+$/.test(trimmed) || trimmed.split('/').some(part => /^\.+$/.test(part))) {
    throw new Error('names a path in ZooKeeper that is not of letters, digits, _ . - and /')
  }
  return { kind: 'zookeeper', secure: scheme === 'zks', servers: hosts, path: trimmed, login: secret }
}

/** `host:port` of text that may come from a peer: undefined if it is none, so that it never becomes another URL. */
export function masterHost(text: string): string | undefined {
  try {
    return joined(hostAndPort(text, MASTER_PORT))
  } catch {
    return undefined
  }
}

function hostAndPort(text: string, fallback: number): { host: string; port: number } {
  const [, host = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? []
  const number = port === undefined ? fallback : Number(port)
  if (!HOST.test(host) || host.length > 253 || number < 1 || number > 65_535) {
    throw new Error('names a host that is not host or host:port')
  }
  return { host, port: number }
}

function joined({ host, port }: { host: string; port: number }): string {
  return `${host}:${port}`
}
