import { printableLines } from '../printable.ts'
import type { Check, Finding, Profile } from './check.ts'
import { busybox } from './checks/busybox.ts'
import { command } from './checks/command.ts'
import { containerEngine } from './checks/container-engine.ts'
import { disk } from './checks/disk.ts'
import { node } from './checks/node.ts'
import { postgres } from './checks/postgres.ts'
import { zookeeper } from './checks/zookeeper.ts'
import { type Machine, thisMachine } from './machine.ts'
import { install } from './packages.ts'
import { asJson, asTable, type Diagnosis, isMendable } from './report.ts'

export const CHECKS: readonly Check[] = [
  node,
  postgres,
  containerEngine(),
  command('git', 'git', ['run', 'test', 'demo']),
  command('gpg', 'gnupg', ['run', 'test', 'demo']),
  command('ssh', 'openssh-client', ['run', 'test'], '-V'),
  command('git-lfs', 'git-lfs', ['test'], 'version'),
  command('/usr/sbin/sshd', 'openssh-server', ['test'], '-V'),
  command('chromium', 'chromium', ['test']),
  command('openssl', 'openssl', ['test'], 'version'),
  command('curl', 'curl', ['test']),
  command('ps', 'procps', ['test']),
  command('zsh', 'zsh', ['test']),
  command('fish', 'fish', ['test']),
  command('podman', 'podman', ['test']),
  command('catatonit', 'catatonit', ['test']),
  zookeeper,
  busybox,
  disk,
]

export interface DoctorOptions {
  readonly profile: Profile
  /** Install and start what is missing, as root on Debian or Ubuntu. */
  readonly mend: boolean
  readonly json: boolean
  /** The result. */
  readonly out: Pick<NodeJS.WritableStream, 'write'>
  /** What is going on. */
  readonly err: Pick<NodeJS.WritableStream, 'write'>
  readonly machine?: Machine
  readonly checks?: readonly Check[]
}

/** `writ doctor`: what of the machine is missing for a profile, and the command that mends it. Returns the exit code. */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const { profile, machine = thisMachine() } = options
  const checks = (options.checks ?? CHECKS).filter(check => check.needs.includes(profile))
  const examine = () => Promise.all(checks.map(check => diagnose(check, machine, profile)))
  let diagnoses = await examine()
  const mendable = diagnoses.filter(isMendable)
  if (options.mend && mendable.length > 0 && machine.root && machine.debian) {
    await mend(mendable, machine, line => options.err.write(`doctor: ${printableLines(line)}\n`))
    diagnoses = await examine()
  }
  options.out.write(options.json ? asJson(profile, diagnoses) : asTable(diagnoses, options.mend, machine, profile))
  return diagnoses.every(({ finding }) => finding.ok) ? 0 : 1
}

async function diagnose(check: Check, machine: Machine, profile: Profile): Promise<Diagnosis> {
  const finding = await check.probe(machine, profile).catch((error): Finding => {
    return { ok: false, cause: error instanceof Error ? error.message : String(error), remedy: 'Mend what it says' }
  })
  return { check, finding }
}

async function mend(missing: Diagnosis[], machine: Machine, say: (line: string) => void): Promise<void> {
  const packages = missing.flatMap(({ finding }) => (finding.ok ? [] : (finding.packages ?? [])))
  if (packages.length > 0) {
    say(`installing ${packages.join(', ')}`)
    const problem = await install(machine, packages)
    if (problem) say(problem)
  }
  for (const { check } of missing) {
    try {
      await check.mend?.(machine, say)
    } catch (error) {
      say(error instanceof Error ? error.message : String(error))
    }
  }
}
