import type { Machine } from './machine.ts'

const INSTALL = ['install', '-y', '--no-install-recommends']
/** Another apt may be at work (a machine that has just booted updates itself). */
const LOCK = ['-o', 'DPkg::Lock::Timeout=120']

/** For people: how to get these packages here. */
export function howToInstall(machine: Machine, packages: readonly string[]): string {
  const names = packages.join(' ')
  if (!machine.debian) return `Install ${names} (so called in Debian) with the package manager of this system`
  return `${machine.root ? '' : 'sudo '}apt-get ${INSTALL.join(' ')} ${names}`
}

/** Installs them; the answer is what went wrong, in the last words of apt-get. */
export async function install(machine: Machine, packages: readonly string[]): Promise<string | undefined> {
  const update = await machine.run('apt-get', 'update', ...LOCK)
  const done = await machine.run('apt-get', ...INSTALL, ...LOCK, ...packages)
  if (done.code === 0) return undefined
  const words = `${update.code === 0 ? '' : update.stderr}\n${done.stderr}`
  return lastLines(words, 3) || `apt-get ended with ${done.code}`
}

export function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n')
}
