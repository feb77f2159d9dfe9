import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A program of the demo that talks in lines of JSON. */
export interface Program {
  /** The first line: it is ready. */
  readonly ready: Record<string, string>
  /** The lines after it, as far as they have come. */
  readonly lines: readonly Record<string, string>[]
  stop(): Promise<void>
}

/** As `startProgram`; without the program there is no demo. */
export async function startOrGiveUp(script: string, args: readonly string[]): Promise<Program> {
  try {
    return await startProgram(script, args)
  } catch (error) {
    process.stderr.write(`\n${(error as Error).message}\n`)
    process.exit(1)
  }
}

/** Starts a script with this same node. Throws with the program's own last words if it ends before it is ready. */
export async function startProgram(script: string, args: readonly string[]): Promise<Program> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  }
  const lines: Record<string, string>[] = []
  const ready = await firstLine(child, lines)
  return { ready, lines, stop }
}

async function firstLine(child: ChildProcess, lines: Record<string, string>[]): Promise<Record<string, string>> {
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('a program without output')
  let complaints = ''
  stderr.on('data', chunk => {
    complaints = (complaints + chunk).slice(-4_000)
  })
  return await new Promise((resolve, reject) => {
    let first = true
    createInterface(stdout).on('line', line => {
      const parsed = JSON.parse(line) as Record<string, string>
      if (!first) lines.push(parsed)
      first = false
      resolve(parsed)
    })
    child.once('close', code => reject(new Error(complaints.trim() || `a program of the demo ended with ${code}`)))
  })
}
