import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach } from 'vitest'
import { COMPILE_CACHE } from './compile-cache.ts'

export interface GateProcess {
  readonly child: ChildProcess
  readonly address: string
  /** Everything that it has logged so far. */
  readonly lines: () => string
}

/** Of the test that runs now; none outlives it. */
const running: ChildProcess[] = []
afterEach(async () => {
  for (const child of running.splice(0)) await killGate(child)
})

export async function killGate(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await new Promise(done => child.once('close', done))
}

/** `writ gate` in a process of its own, with nothing in its environment but what is given. */
export function spawnGate(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'gate', ...args], {
    env: { ...COMPILE_CACHE, PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  return child
}

/** The same, when it listens. Throws with what it said if it ends before. */
export async function startGate(args: readonly string[], env: Readonly<Record<string, string>>): Promise<GateProcess> {
  const child = spawnGate(args, env)
  const chunks: Buffer[] = []
  const lines = () => Buffer.concat(chunks).toString()
  const address = await new Promise<string>((done, failed) => {
    let listening = false
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        // only until it listens: a test may have it write a hundred megabytes
        const found = listening ? null : /\{[^\n]*"gate listening"[^\n]*/.exec(lines())?.[0]
        if (!found) return
        listening = true
        done(JSON.parse(found).address)
      })
    }
    child.once('exit', () => failed(new Error(lines())))
  })
  return { child, address, lines }
}
