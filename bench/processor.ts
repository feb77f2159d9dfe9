import { readdirSync, readFileSync } from 'node:fs'

/** What a process has used of the processors since its start, in ms. */
export function cpuMs(pid: number): number {
  const { user, system } = times(pid)
  return user + system
}

/** The same of a process and all of its children, those that have ended as well: a database with its sessions. */
export function familyCpuMs(pid: number): number {
  const { user, system, ended } = times(pid)
  let sum = user + system + ended
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      if (times(Number(name)).parent === pid) sum += cpuMs(Number(name))
    } catch {
      // it has ended since the folder was read
    }
  }
  return sum
}

export function parentOf(pid: number): number {
  return times(pid).parent
}

function times(pid: number) {
  // behind the name, which may hold anything: the state is the third field; the times are 14 to 17, in hundredths
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ').map(Number) ?? []
  const [user = 0, system = 0, userOfEnded = 0, systemOfEnded = 0] = fields.slice(11, 15).map(ticks => ticks * 10)
  return { parent: fields[1] ?? 0, user, system, ended: userOfEnded + systemOfEnded }
}
