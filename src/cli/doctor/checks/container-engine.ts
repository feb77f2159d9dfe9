import type { Check } from '../check.ts'
import { askEngine, engineOf } from '../engine.ts'
import { startEngine } from '../engine-start.ts'
import { howToInstall } from '../packages.ts'

const PACKAGES = ['docker.io'] // depends on containerd, runc, tini and iptables

export const containerEngine: Check = {
  name: 'containers',
  needs: ['run', 'test', 'demo'],

  async probe(machine) {
    const engine = engineOf(machine.env)
    if ('problem' in engine) return { ok: false, cause: engine.problem, remedy: 'Correct DOCKER_HOST, or unset it' }
    const answer = await askEngine(engine)
    if (answer.ok) return { ok: true, detail: `${answer.name} at ${engine.host}` }

    const cause = `no container engine at ${engine.host}: ${answer.problem}`
    if (!engine.usual) return { ok: false, cause, remedy: 'Start it, or unset DOCKER_HOST to use the usual one' }
    if (answer.code === 'EACCES') {
      return { ok: false, cause, remedy: 'sudo usermod -aG docker "$USER", then log in again' }
    }
    const installed = (await machine.run('dockerd', '--version')).code === 0
    if (installed)
      return { ok: false, cause, remedy: `${machine.root ? '' : 'sudo '}systemctl start docker, or dockerd` }
    return { ok: false, cause, remedy: howToInstall(machine, PACKAGES), packages: PACKAGES }
  },

  async mend(machine, say) {
    const engine = engineOf(machine.env)
    if ('problem' in engine || !engine.usual) return
    await startEngine(machine, engine, say)
  },
}
