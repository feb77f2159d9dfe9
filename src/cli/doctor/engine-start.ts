import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { askEngine, type Engine } from './engine.ts'
import { environmentFor, type Machine } from './machine.ts'
import { lastLines } from './packages.ts'

const LOG = '/var/log/dockerd.log'
const READY_MS = 60_000

/** What to try, one after the other: where the kernel or the container around us forbids iptables, jobs run without a network. */
const WAYS = [
  { flags: [], note: '' },
  { flags: ['--iptables=false', '--bridge=none'], note: 'containers have no network: iptables cannot be used here' },
]

export interface StartOptions {
  /** For a second engine beside the usual one. */
  readonly flags?: readonly string[]
  readonly log?: string
  readonly readyMs?: number
}

/**
 * Starts Docker and waits until it answers, a minute at most: with systemd where that runs, otherwise by itself, apart from
 * us, since it is to go on when this process has ended.
 *
 * @throws when it does not come up; with its last words
 */
export async function startEngine(
  machine: Machine,
  engine: Engine,
  say: (line: string) => void,
  options: StartOptions = {},
): Promise<void> {
  const { flags = [], log = LOG, readyMs = READY_MS } = options
  const end = Date.now() + readyMs
  if (await answersWithin(engine, 1_000)) return // the package has started it
  if (existsSync('/run/systemd/system')) {
    say('starting Docker')
    await machine.run('systemctl', 'start', 'docker')
    if (await answersWithin(engine, end - Date.now())) return
    throw new Error('Docker does not start; see journalctl -u docker')
  }

  await mountControlGroups(machine)
  for (const way of WAYS) {
    say(`starting dockerd (its log is ${log})`)
    const daemon = await launch(machine, [...flags, ...way.flags], log)
    while (Date.now() < end && !daemon.ended()) {
      if (await answersWithin(engine, 200)) {
        if (way.note) say(way.note)
        return
      }
    }
    // it also ends at once when somebody else was starting one at the same time
    if (await answersWithin(engine, 2_000)) return
    if (!daemon.ended()) break
  }
  throw new Error(`dockerd does not come up. Its last words (${log}):\n${lastLines(await readFile(log, 'utf8'), 3)}`)
}

async function answersWithin(engine: Engine, ms: number): Promise<boolean> {
  const end = Date.now() + ms
  do {
    if ((await askEngine(engine)).ok) return true
    await sleep(100)
  } while (Date.now() < end)
  return false
}

/** A small virtual machine without an init system may not have them, and runc does nothing without. */
async function mountControlGroups(machine: Machine): Promise<void> {
  const mounts = await readFile('/proc/mounts', 'utf8')
  if (!mounts.includes(' /sys/fs/cgroup')) await machine.run('mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup')
}

async function launch(machine: Machine, flags: readonly string[], path: string): Promise<{ ended(): boolean }> {
  const log = await open(path, 'a', 0o600)
  try {
    let ended = false
    const daemon = spawn('dockerd', flags, {
      cwd: '/',
      env: environmentFor(machine.env),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    for (const event of ['exit', 'error']) {
      daemon.once(event, () => {
        ended = true
      })
    }
    daemon.unref()
    return { ended: () => ended }
  } finally {
    await log.close()
  }
}
