import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, readConfig } from '../../server/config.ts'
import { createLog } from '../../server/log.ts'
import { type GateOfServer, type Server, startServer } from '../../server/main.ts'
import { UsageError } from '../failure.ts'
import { runUntilTold } from '../until-told.ts'
import { version } from '../version.ts'

/** Runs a server until it is told to stop. Configured by environment only (docs/configuration.md). */
export async function server(): Promise<void> {
  // both take their secrets out of what they read, and some are for both
  const forGate = { ...process.env }
  const config = configOrUsage(process.env)
  const gate = await gateOfServer(forGate)
  for (const name of Object.keys(process.env)) if (!(name in forGate)) delete process.env[name]
  const log = createLog(config.logLevel)
  const drainMs = config.drainTimeout * 1000
  let drained: Promise<unknown> | undefined
  const drain = (running: Server) => {
    running.drain()
    drained ??= Promise.race([running.idle(), sleep(drainMs, undefined, { ref: false })])
    return drained
  }
  let interrupt = end
  process.on('SIGINT', () => interrupt())
  const before = drainMs > 0 ? { ms: drainMs, wait: drain } : undefined
  const start = (signal: AbortSignal) => startServer(config, log, { gate, signal })
  const running = await runUntilTold(log, start, { skip: ['SIGINT'], before })
  if (running) interrupt = drainFirst(running, drainMs > 0 ? () => drain(running) : null)
}

function end(): void {
  process.kill(process.pid, 'SIGTERM')
}

/**
 * SIGINT drains and SIGTERM ends, as GoStint's scripts for a rolling update expect (gostint.md §11.4). During the start, at a terminal, or the second
 * time, SIGINT ends as well: who presses Ctrl-C wants that. With WRIT_DRAIN_TIMEOUT it ends by itself when nothing runs any more.
 */
function drainFirst(running: Server, drain: (() => Promise<unknown>) | null): () => void {
  let drained = false
  return () => {
    if (drained || process.stdin.isTTY) end()
    else if (drain) void drain().then(end)
    else running.drain()
    drained = true
  }
}

/** The gate too, where it is told to listen; with the identity and the database of the server. */
async function gateOfServer(env: NodeJS.ProcessEnv): Promise<GateOfServer | undefined> {
  const { WRIT_GATE_LISTEN: listen, WRIT_GATE_SOCKET: socket } = env
  if (!listen && !socket) return undefined
  const { readGateConfig } = await import('../../server/gate-config.ts')
  return { config: orUsage(() => readGateConfig(env, new Map())), version: version() }
}

function configOrUsage(env: NodeJS.ProcessEnv) {
  return orUsage(() => readConfig(env))
}

function orUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const list = error.problems.map(problem => `  - ${problem}`).join('\n')
    throw new UsageError(
      `the configuration is not complete:\n${list}`,
      'docs/configuration.md lists all settings; `writ dev` needs none',
    )
  }
}
