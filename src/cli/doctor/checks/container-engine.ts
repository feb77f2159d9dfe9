import type { Check } from '../check.ts'
import { askEngine, engineOf } from '../engine.ts'
import { type StartOptions, startEngine } from '../engine-start.ts'
import { howToInstall } from '../packages.ts'

const PACKAGES = ['docker.io'] // depends on containerd, runc, tini and iptables

/** @param usual the sockets behind which we may start an engine ourselves */
export function containerEngine(usual?: readonly string[], start?: StartOptions): Check {
  return {
    name: 'containers',
    needs: ['run', 'test', 'demo'],

    async probe(machine) {
      const engine = engineOf(machine.env, usual)
      if ('problem' in engine) return { ok: false, cause: engine.problem, remedy: 'Correct DOCKER_HOST, or unset it' }
      const answer = await askEngine(engine)
      if (answer.ok) return { ok: true, detail: `${answer.name} at ${engine.host}` }

      const cause = `no container engine at ${engine.host}: ${answer.problem}`
      if (!engine.usual) return { ok: false, cause, remedy: 'Start it, or unset DOCKER_HOST to use the usual one' }
      if (answer.code === 'EACCES') {
        return { ok: false, cause, remedy: 'sudo usermod -aG docker "$USER", then log in again' }
      }
      if ((await machine.run('dockerd', '--version')).code !== 0) {
        return { ok: false, cause, remedy: howToInstall(machine, PACKAGES), packages: PACKAGES }
      }
      const remedy = `${machine.root ? '' : 'sudo '}systemctl start docker, or dockerd`
      return { ok: false, cause, remedy, packages: [] }
    },

    async mend(machine, say) {
      const engine = engineOf(machine.env, usual)
      if ('problem' in engine) return
      await startEngine(machine, engine, say, start)
    },
  }
}
