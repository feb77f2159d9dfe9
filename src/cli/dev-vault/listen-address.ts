import { isIPv4 } from 'node:net'
import { UsageError } from '../failure.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `host:port`, `[v6]:port`. Only loopback unless remote is allowed: whoever reaches it may guess the root token. @throws UsageError */
export function listenAddress(text: string, allowRemote: boolean): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65_535) throw new UsageError(`--listen ${text} is not host:port`)
  if (!allowRemote && !isLoopback(host)) {
    throw new UsageError(
      `--listen ${text} can be reached from other machines`,
      'If that is what you want: --allow-remote, and better with --tls.',
    )
  }
  return { host, port: Number(port) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}
