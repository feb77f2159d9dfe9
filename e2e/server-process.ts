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
}

/** A server that is a process of its own, ready for requests. */
export async function startServerProcess(settings: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'server'], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', ...COMPILE_CACHE, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
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
    stop: (signal = 'SIGTERM') => endProcess(child, signal),
  }
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill(signal)
  await closed
}
