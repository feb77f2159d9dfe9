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
 * that Docker uses: crun refuses machines with both versions of cgroups.
 */
export async function startPodman({ insecureRegistry }: { insecureRegistry: string }): Promise<Podman> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-podman-'))
  const socket = join(folder, 'podman.sock')
  const settings = join(folder, 'containers.conf')
  // Less than anybody has: where limits may not be raised, nothing would start. Soft and hard alike: its Docker API confuses the two
  const limits = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
  writeFileSync(settings, `[engine]\nruntime = "runc"\n${limits}`)
  const registries = join(folder, 'registries.conf')
  writeFileSync(registries, `[[registry]]\nlocation = "${insecureRegistry}"\ninsecure = true\n`)
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  const common = [...places, '--cgroup-manager', 'cgroupfs']
  const env = { ...process.env, CONTAINERS_CONF: settings, CONTAINERS_REGISTRIES_CONF: registries }
  const service = spawn('podman', [...common, 'system', 'service', '-t', '0', `unix://${socket}`], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
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
      const ended = once(service, 'close')
      service.kill()
      await ended
      execFileSync('podman', [...common, 'rm', '--all', '--force', '--time', '0'], { env, stdio: 'ignore' })
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
