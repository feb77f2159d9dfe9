import type { Check, Profile } from '../check.ts'
import { howToInstall } from '../packages.ts'

/** A program that must be there; asked for its version, since a file in PATH may be one that does not start. */
export function command(name: string, debianPackage: string, needs: readonly Profile[], ask = '--version'): Check {
  return {
    name,
    needs,
    async probe(machine) {
      const { code, stdout, stderr } = await machine.run(name, ask)
      const [version] = /\d+(\.\d+)+/.exec(stdout || stderr) ?? []
      if (code === 0) return { ok: true, detail: version ?? 'there' }
      const packages = [debianPackage]
      const cause = code === -1 ? 'not found' : `${name} ${ask} ends with ${code}`
      return { ok: false, cause, remedy: howToInstall(machine, packages), packages }
    },
  }
}
