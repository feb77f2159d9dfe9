import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { ConfigError } from '../../server/config.ts'
import { type GateConfig, readGateConfig } from '../../server/gate-config.ts'
import { type RunningGate, startGate } from '../../server/gate-main.ts'
import { GATE_SETTINGS, type GateSetting } from '../../server/gate-settings.ts'
import { createLog } from '../../server/log.ts'
import { UsageError } from '../failure.ts'
import { readGoFlags } from '../gate/go-flags.ts'
import { runUntilTold } from '../until-told.ts'
import { version } from '../version.ts'

const ALL = Object.values(GATE_SETTINGS) as GateSetting<unknown>[]

/** Runs a gate until it is told to stop: by the environment and flags of vault-gatekeeper, 1 and 2 (docs/gate.md). */
export async function gate(args: readonly string[]): Promise<void> {
  if (args.some(arg => /^--?h(elp)?$/.test(arg))) {
    process.stdout.write(help())
    return
  }
  const booleans = new Set(ALL.filter(setting => setting.boolean).flatMap(setting => setting.flags))
  // version 2 was started by `gatekeeper server` (gatekeeper.md §12)
  const flags = readGoFlags(args[0] === 'server' ? args.slice(1) : args, booleans)
  const config = configOrUsage(flags)
  const log = createLog(config.values.logLevel)
  const ready = Promise.withResolvers<RunningGate>()
  process.on('SIGHUP', () => void ready.promise.then(running => renewTls(running, flags, log)))
  try {
    const start = (signal: AbortSignal) => startGate(config, log, version(), { signal })
    const running = await runUntilTold(log, start, { skip: ['SIGHUP'] })
    if (running) ready.resolve(running)
  } catch (error) {
    throw error instanceof ConfigError ? usage(error) : error
  }
}

function configOrUsage(flags: ReadonlyMap<string, string>): GateConfig {
  try {
    return readGateConfig(process.env, flags)
  } catch (error) {
    throw error instanceof ConfigError ? usage(error) : error
  }
}

function usage(error: ConfigError): UsageError {
  const list = error.problems.map(problem => `  - ${problem}`).join('\n')
  return new UsageError(
    `the configuration is not complete:\n${list}`,
    'writ gate --help lists all flags; docs/gate.md explains them',
  )
}

/** SIGHUP: certificate and key are read again; what cannot be used leaves the old pair (gatekeeper.md §4.1). */
function renewTls(running: RunningGate, flags: ReadonlyMap<string, string>, log: Logger): void {
  const path = (key: 'tlsCert' | 'tlsKey') => {
    const { env, flags: names } = GATE_SETTINGS[key]
    return names.map(name => flags.get(name)).find(Boolean) ?? env.map(name => process.env[name]).find(Boolean)
  }
  const [cert, key] = [path('tlsCert'), path('tlsKey')]
  if (!cert || !key) {
    log.info('SIGHUP: there is no certificate to read again')
    return
  }
  try {
    running.renewTls({ cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') })
    log.info('SIGHUP: the certificate was read again')
  } catch (error) {
    log.error({ reason: (error as Error).message }, 'SIGHUP: the old certificate stays')
  }
}

/** No value of the environment is shown: vault-gatekeeper's help printed the token (gatekeeper.md §18.4.13). */
function help(): string {
  const rows = ALL.map(({ env, flags, fallback, describe, secret }) => {
    const names = [...flags.map(flag => `-${flag}`), ...env].join(', ')
    const shown = fallback && !secret ? ` (default ${fallback})` : ''
    return `  ${names}\n      ${describe.replaceAll('`', '')}${shown}\n`
  })
  return `writ gate [flags]\n\nEach setting is a flag, or one of these names in the environment; the flag counts.\n\n${rows.join('')}`
}
