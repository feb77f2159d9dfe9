import { WritError } from '../../../protocol/errors.ts'
import type { Address } from './address.ts'
import { MemoryFile } from './memory-file.ts'
import type { Credential, RepositoryOptions } from './options.ts'

/** What a git that asks the server needs besides its arguments. Everything secret is in files without a name. */
export interface Connection extends Disposable {
  readonly environment: Readonly<Record<string, string>>
}

/** Throws `repository_refused` or `repository_host_unknown` for what could never work, before anything is asked. */
export function connect(address: Address, options: RepositoryOptions): Connection {
  const files: MemoryFile[] = []
  const file = (content: string) => {
    const made = new MemoryFile(content)
    files.push(made)
    return made.path
  }
  const dispose = () => {
    for (const made of files) made[Symbol.dispose]()
  }
  try {
    const environment: Record<string, string> = { GIT_ALLOW_PROTOCOL: address.protocol }
    if (address.protocol === 'ssh') environment.GIT_SSH_COMMAND = sshCommand(options, file)
    if (address.protocol === 'https' || address.protocol === 'http') {
      environment.GIT_CONFIG_GLOBAL = file(webConfig(address, options, file))
    }
    return { environment, [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** What the header of HTTP carries. */
export function basicOf({ username, password }: Extract<Credential, { kind: 'password' }>): string {
  return Buffer.from(`${username}:${password.reveal()}`).toString('base64')
}

type Keep = (content: string) => string

/**
 * A git configuration. The credential goes as a header, limited to this very server (redirections are off): a helper
 * program that prints it would be one more program to trust, and would be asked only after a refusal.
 */
function webConfig({ protocol, host }: Address, { credential, ca, proxy }: RepositoryOptions, keep: Keep): string {
  const lines = ['[http]']
  if (ca !== undefined) {
    // The path too: curl would otherwise add the authorities of the machine.
    lines.push(`sslCAInfo = ${quoted(keep(ca))}`, 'sslCAPath = /nonexistent')
  }
  lines.push(`proxy = ${quoted(proxy?.reveal() ?? '')}`, 'proxyAuthMethod = basic')
  if (credential?.kind === 'password') {
    const { username } = credential
    // A colon would end the name early, and the rest would count as the password's beginning.
    if (/[:\x00-\x1f\x7f]/.test(username))
      throw new WritError('repository_refused', 'the username holds a colon or a control character')
    lines.push(
      `[http ${quoted(`${protocol}://${host}/`)}]`,
      `extraHeader = ${quoted(`Authorization: Basic ${basicOf(credential)}`)}`,
    )
  } else if (credential) {
    throw new WritError('repository_refused', 'a key is for ssh, this address needs a username and a password')
  }
  return `${lines.join('\n')}\n`
}

function quoted(value: string): string {
  if (/[\x00-\x1f\x7f]/.test(value)) throw new WritError('repository_refused', 'a setting holds a control character')
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}

/** Nothing of the user's or the machine's configuration, one key, one list of hosts, and nothing but a connection. */
function sshCommand({ credential, knownHosts }: RepositoryOptions, keep: Keep): string {
  if (!knownHosts?.trim()) throw new WritError('repository_host_unknown', 'no host key is pinned')
  if (credential?.kind !== 'ssh-key') throw new WritError('repository_refused', 'ssh needs a private key')
  const key = credential.key.reveal()
  const settings = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${keep(knownHosts.endsWith('\n') ? knownHosts : `${knownHosts}\n`)}`,
    'GlobalKnownHostsFile=/dev/null',
    'KnownHostsCommand=none',
    'UpdateHostKeys=no',
    'VerifyHostKeyDNS=no',
    'CanonicalizeHostname=no',
    'CheckHostIP=no',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile=${keep(key.endsWith('\n') ? key : `${key}\n`)}`,
    'CertificateFile=none',
    'PreferredAuthentications=publickey',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    'GSSAPIAuthentication=no',
    'HostbasedAuthentication=no',
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'ProxyCommand=none',
    'ControlMaster=no',
    'ControlPath=none',
    'Tunnel=no',
    'EscapeChar=none',
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=2',
    'LogLevel=ERROR',
  ]
  return ['ssh', '-F', '/dev/null', '-T', ...settings.map(setting => `-o${setting}`)].join(' ')
}
