import { findStaticBusybox, staticArchitecture } from '../../../server/runtimes/docker/gate-binary.ts'
import type { Check } from '../check.ts'
import { howToInstall } from '../packages.ts'

/**
 * Shell and tar of the images that have neither. The image of the demonstration and of the tests is made of this one
 * file too: nothing is downloaded.
 */
export const busybox: Check = {
  name: 'busybox',
  needs: ['run', 'test', 'demo'],
  async probe(machine) {
    const chosen = machine.env.WRIT_GATE_BINARY
    if (chosen && !staticArchitecture(chosen)) {
      const cause = `WRIT_GATE_BINARY names ${chosen}, which is no statically linked program`
      return { ok: false, cause, remedy: 'Name a static busybox, or leave it out' }
    }
    const found = chosen || findStaticBusybox(machine.env)
    if (found) return { ok: true, detail: found }
    const packages = ['busybox-static']
    return { ok: false, cause: 'no statically linked busybox', remedy: howToInstall(machine, packages), packages }
  },
}
