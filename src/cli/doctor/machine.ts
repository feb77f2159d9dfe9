import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, isAbsolute } from 'node:path'

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

/** What programs need to find their way, to speak to the network and to write where they may. */
const PASSED =
  /^(HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TERM|TZ|TMPDIR|XDG_RUNTIME_DIR|SSL_CERT_(FILE|DIR)|APT_CONFIG|DOCKER_(TMPDIR|RAMDISK)|(https?|ftp|all|no)_proxy)$/i
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * What of our environment a program gets that may run as root, or go on when we have ended: no token, no password, nothing that loads code.
 * The attack on its PATH: the folder that somebody stands in, an archive's for example, has a program of the name that is missing here.
 */
export function environmentFor(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const passed = Object.entries(env).filter(([name]) => PASSED.test(name))
  const path = (env.PATH ?? '').split(delimiter).filter(isAbsolute).join(delimiter)
  return { ...Object.fromEntries(passed), PATH: path || USUAL_PATH }
}

function run(env: NodeJS.ProcessEnv, command: string, args: string[]): Promise<Ran> {
  return new Promise(resolve => {
    const options = {
      env: { ...environmentFor(env), LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      timeout: LONGEST_RUN_MS,
      maxBuffer: 1 << 26,
    }
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0
      resolve({ code, stdout, stderr: stderr || (error && code === -1 ? error.message : '') })
    })
  })
}
