import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { type Logger, pino } from 'pino'
import { Vault } from '../vault/client.ts'
import type { Config } from './config.ts'
import { buildApp } from './http/app.ts'
import { Identity } from './identity/identity.ts'
import type { Engine } from './jobs/engine.ts'
import { Worker } from './jobs/worker.ts'
import { dockerRuntime } from './runtimes/docker/docker-runtime.ts'
import { migrate, openDatabase } from './store/database.ts'
import { Wakeups } from './store/wakeups.ts'

export interface Server {
  /** `https://127.0.0.1:3232` */
  readonly address: string
  readonly node: string
  /** Stops claiming, hands running jobs over, closes everything. Containers go on. */
  close(): Promise<void>
}

/** Puts the parts together and listens. Throws when the database is not there; a Vault that is away is waited for. */
export async function startServer(config: Config, log: Logger): Promise<Server> {
  const node = randomUUID()
  const report = (error: Error) => log.warn({ err: error }, 'a database connection broke')
  const db = openDatabase(config.databaseUrl, report)
  await migrate(db)
  const vault = new Vault({
    address: config.vaultAddr,
    namespace: config.vaultNamespace || undefined,
    ca: config.vaultCa ?? undefined,
    serverName: config.vaultServerName || undefined,
  })
  const identity = new Identity(vault, config.credentials, log)
  const wakeups = new Wakeups(config.databaseUrl, report)
  const runtime = dockerRuntime({ host: config.dockerHost })
  const engine: Engine = { node, settings: config, db, wakeups, vault, identity, runtime, log }

  const app = await buildApp(engine, config)
  await identity.start()
  await app.listen({ host: config.listenHost, port: config.listenPort })
  const worker = new Worker(engine)
  worker.start()

  const { port } = app.server.address() as AddressInfo
  const host = config.listenHost.includes(':') ? `[${config.listenHost}]` : config.listenHost
  const address = `${config.tlsCert ? 'https' : 'http'}://${host}:${port}`
  log.info({ address, node }, 'listening')
  return {
    address,
    node,
    close: async () => {
      await app.close()
      await worker.stop()
      await wakeups.close()
      await identity.close()
      await runtime.close()
      await vault.close()
      await db.destroy()
    },
  }
}

/** The log: JSON lines. What could carry a token is taken out, although nothing of ours should put one in. */
export function createLog(level: string, destination?: pino.DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    redact: {
      paths: ['req.headers', 'headers', '*.headers', '*.token', '*.secret_id', '*.wrap_secret_id', '*.cubby_token'],
      censor: '[secret]',
    },
  }
  return destination ? pino(options, destination) : pino(options)
}
