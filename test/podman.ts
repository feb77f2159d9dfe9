import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'

export interface Podman {
  readonly socket: string
  close(): Promise<void>
}

/**
 * A Podman of its own, with images and containers in a folder of its own. Debian's packages `podman` and `catatonit`, and the runc
 * that Docker uses: crun refuses machines with both versions of cgroups. `rootless`: as a user who may do nothing, without ranges of
 * users of his own.
 */
export async function startPodman({ insecureRegistry = '', rootless = false } = {}): Promise<Podman> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-podman-'))
  const socket = join(folder, 'podman.sock')
  const settings = join(folder, 'containers.conf')
  // Less than anybody has: where limits may not be raised, nothing would start. Soft and hard alike: its Docker API confuses the two
  const limits = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
  writeFileSync(settings, `[engine]\nruntime = "runc"\n${limits}`)
  const registries = join(folder, 'registries.conf')
  writeFileSync(registries, insecureRegistry && `[[registry]]\nlocation = "${insecureRegistry}"\ninsecure = true\n`)
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  const common = [...places, '--cgroup-manager', 'cgroupfs']
  const home = rootless ? { HOME: folder, XDG_RUNTIME_DIR: folder } : {}
  const env = { ...process.env, ...home, CONTAINERS_CONF: settings, CONTAINERS_REGISTRIES_CONF: registries }
  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups']
  const command = rootless ? ['setpriv', ...nobody, 'podman', ...common] : ['podman', ...common]
  if (rootless) execFileSync('chown', ['-R', '65534:65534', folder])
  const service = spawn(command[0] ?? '', [...command.slice(1), 'system', 'service', '-t', '0', `unix://${socket}`], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    // without root it is two processes, of which the second, in the namespace, would go on without the first
    detached: true,
  })
  let said = ''
  service.stderr.on('data', text => {
    said += text
  })
  while (!(await answers(socket))) {
    if (service.exitCode !== null) throw new Error(`podman ended with ${service.exitCode}: ${said}`)
    await sleep(50)
  }
  return {
    socket,
    close: async () => {
      // not `close`: the process that keeps the namespace of a user has its standard error too
      const ended = once(service, 'exit')
      if (service.pid) process.kill(-service.pid)
      await ended
      const remove = [...command.slice(1), 'rm', '--all', '--force', '--time', '0']
      execFileSync(command[0] ?? '', remove, { cwd: folder, env, stdio: 'ignore' })
      // the process that keeps the namespace of a user goes with this
      execFileSync(command[0] ?? '', [...command.slice(1), 'system', 'migrate'], { cwd: folder, env, stdio: 'ignore' })
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(socketPath: string): Promise<boolean> {
  const agent = new Agent({ connect: { socketPath } })
  try {
    const { statusCode, body } = await agent.request({ origin: 'http://engine', path: '/_ping', method: 'GET' })
    await body.dump()
    return statusCode === 200
  } catch {
    return false
  } finally {
    await agent.close()
  }
}
