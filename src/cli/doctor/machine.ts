import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** The machine as far as the checks look at it, so that a test can show them another one. */
export interface Machine {
  readonly env: NodeJS.ProcessEnv
  readonly root: boolean
  /** Debian, or made from it, with apt-get: where we know how to mend. */
  readonly debian: boolean
  run(command: string, ...args: string[]): Promise<Ran>
}

export interface Ran {
  /** -1 when the command does not exist or was ended by a signal. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const LONGEST_RUN_MS = 15 * 60_000

export function thisMachine(env: NodeJS.ProcessEnv = process.env): Machine {
  return { env, root: process.getuid?.() === 0, debian: isDebian(), run: (command, ...args) => run(env, command, args) }
}

function isDebian(): boolean {
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/etc/os-release')) return false
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
}

function run(env: NodeJS.ProcessEnv, command: string, args: string[]): Promise<Ran> {
  return new Promise(resolve => {
    const options = {
      env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      timeout: LONGEST_RUN_MS,
      maxBuffer: 1 << 26,
    }
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0
      resolve({ code, stdout, stderr: stderr || (error && code === -1 ? error.message : '') })
    })
  })
}
