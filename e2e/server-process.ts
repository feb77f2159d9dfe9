import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { COMPILE_CACHE } from './compile-cache.ts'

export interface ServerProcess {
  readonly address: string
  readonly pid: number
  /** Everything that it logged so far. */
  log(): string
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Nothing if it is not there any more. */
  signal(signal: NodeJS.Signals): void
  /** How it ended, if nobody told it to, or otherwise than it was told; empty while all is well. */
  died(): string
}

/** A server that is a process of its own, ready for requests. */
export async function startServerProcess(settings: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'server'], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', ...COMPILE_CACHE, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  let told: NodeJS.Signals | null = null
  let died = ''
  child.once('close', (code, signal) => {
    const asTold = told === 'SIGTERM' || told === 'SIGINT' ? code === 0 : signal === told
    if (told === null || !asTold) died = `ended with ${signal ?? code}, told ${told ?? 'nothing'}`
  })
  child.stderr.on('data', chunk => {
    log += chunk
  })
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      log += `${line}\n`
      const found = /"address":"([^"]+)".*"msg":"listening"/.exec(line)?.[1]
      if (found) resolve(found)
    })
    child.once('close', code => reject(new Error(`the server ended with ${code}: ${log.slice(-2_000)}`)))
  })
  return {
    address,
    pid: child.pid ?? 0,
    log: () => log,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) told = signal
      await endProcess(child, signal)
    },
    signal: signal => void child.kill(signal),
    died: () => died,
  }
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill(signal)
  await closed
}
