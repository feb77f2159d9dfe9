import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A real sshd on a port of its own, that lets one key in, and only as far as git. */
export async function startSshServer() {
  // not in a folder that others may write: sshd would not read its files
  const folder = mkdtempSync(join(tmpdir(), 'writ-sshd-'))
  const file = (name: string) => join(folder, name)
  for (const name of ['host', 'other-host', 'user', 'stranger']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file(name)])
  }
  const port = await freePort()
  writeFileSync(file('authorized_keys'), readFileSync(file('user.pub')))
  chmodSync(file('authorized_keys'), 0o600)
  const settings = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: file('host'),
    PidFile: file('pid'),
    AuthorizedKeysFile: file('authorized_keys'),
    StrictModes: 'no',
    UsePAM: 'no',
    PasswordAuthentication: 'no',
    KbdInteractiveAuthentication: 'no',
    PermitRootLogin: 'yes',
    LogLevel: 'VERBOSE',
  }
  writeFileSync(
    file('sshd_config'),
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  // made by the start of the system's own service, which there may not be; as another user sshd does without it
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file('sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  for (let at = 0; !log.includes('Server listening') && child.exitCode === null && at < 200; at++) await sleep(50)
  if (!log.includes('Server listening')) throw new Error(`sshd does not start: ${log}`)
  const hostKey = (name: string) =>
    `[127.0.0.1]:${port} ${readFileSync(file(`${name}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ')}\n`
  return {
    address: (path: string) => `ssh://${userInfo().username}@127.0.0.1:${port}${path}`,
    knownHosts: hostKey('host'),
    otherHost: hostKey('other-host'),
    userKey: readFileSync(file('user'), 'utf8'),
    strangersKey: readFileSync(file('stranger'), 'utf8'),
    log: () => log,
    async close() {
      const ended = new Promise(resolve => child.once('close', resolve))
      child.kill()
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
