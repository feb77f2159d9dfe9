import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { Vault } from '../vault/client.ts'
import { makeRecorder } from './audit/recorder.ts'
import { type Config, ConfigError } from './config.ts'
import type { GateConfig } from './gate-config.ts'
import { buildApp } from './http/app.ts'
import { DatabaseLogin, type DatabaseLoginParts } from './identity/database-login.ts'
import { Identity } from './identity/identity.ts'
import { INSTALLATION_LABEL, NODE_LABEL, ownLabels } from './jobs/container.ts'
import type { Engine } from './jobs/engine.ts'
import { resolveLimits } from './jobs/limits.ts'
import { Meters } from './jobs/meters.ts'
import { Pulse } from './jobs/pulse.ts'
import { Worker } from './jobs/worker.ts'
import { type Closers, Opened } from './opened.ts'
import { dockerRuntime } from './runtimes/docker/docker-runtime.ts'
import type { Kubernetes } from './runtimes/kubernetes/kubernetes-runtime.ts'
import { installationId, migrate, openDatabase } from './store/database.ts'
import { Wakeups } from './store/wakeups.ts'
import { WatchSource } from './watch/source.ts'
import { Turns } from './watch/turns.ts'
import { Watcher } from './watch/watcher.ts'
import type { Watching } from './watch/watching.ts'

const ORPHAN_MS = 600_000

export interface Server {
  /** `https://127.0.0.1:3232` */
  readonly address: string
  readonly node: string
  /** Claims no more jobs; those that run go on, and requests are answered. There is no way back (gostint.md §11.4). */
  drain(): void
  /** Resolves when no job runs here. */
  idle(): Promise<void>
  /** Stops claiming, hands running jobs over, closes everything. Containers go on. */
  close(): Promise<void>
}

/** The gate as a part of a server, on a listener of its own. */
export interface GateOfServer {
  readonly config: GateConfig
  readonly version: string
}

/**
 * Puts the parts together and listens. Throws when the database is not there; a Vault that is away is waited for. `signal` gives the start
 * up, in whatever it is: it throws its reason then.
 */
export async function startServer(
  config: Config,
  log: Logger,
  { gate, signal }: { gate?: GateOfServer | undefined; signal?: AbortSignal } = {},
): Promise<Server> {
  const opened = new Opened(signal)
  try {
    return await start(config, log, opened, gate, signal)
  } catch (error) {
    await opened.giveUp()
    throw error
  }
}

async function start(
  config: Config,
  log: Logger,
  opened: Opened,
  gate?: GateOfServer,
  signal?: AbortSignal,
): Promise<Server> {
  const node = randomUUID()
  const meters = new Meters()
  const vault = new Vault({
    address: config.vaultAddr,
    namespace: config.vaultNamespace || undefined,
    ca: config.vaultCa ?? undefined,
    serverName: config.vaultServerName || undefined,
    onCall: call => meters.vaultCall(call),
  })
  opened.push(() => vault.close())
  if (config.acceptRewrapped)
    log.warn('WRIT_ACCEPT_REWRAPPED: who opens a request of GoStint on its way and wraps it again is not found out')
  const identity = new Identity(vault, config.credentials, log)
  opened.push(() => identity.close())
  await opened.step(identity.start())
  const logins = await opened.step(databaseLogin(config, { vault, identity, log }, opened))
  const address = logins ? { url: config.databaseUrl, logins } : config.databaseUrl
  const report = (error: Error) => log.warn({ err: error }, 'a database connection broke')
  const ending = new AbortController()
  const db = openDatabase(address, report, { hurry: ending.signal })
  opened.push(async () => {
    ending.abort()
    await db.destroy()
  })
  await opened.step(migrate(db))
  const installation = await opened.step(installationId(db))
  const pulse = new Pulse(db, node, config.leaseMs)
  const runtime = dockerRuntime({
    host: config.dockerHost,
    gateBinary: config.gateBinary,
    pullStallMs: config.pullStallSeconds * 1000,
    slots: {
      count: config.networkSlots,
      network: config.jobNetwork,
      labels: ownLabels(node, installation),
      usable: () => pulse.alive,
    },
    warm: { images: config.warm, limits: resolveLimits(config, {}), labels: ownLabels(node, installation) },
    tidy: {
      owner: [INSTALLATION_LABEL, installation],
      preparedMs: config.preparedSeconds * 1000,
      pulled: config.removePulled,
      orphanMs: ORPHAN_MS,
      node: NODE_LABEL,
    },
    log,
  })
  opened.push(() => runtime.close())
  const cluster = await opened.step(kubernetesOf(config, installation))
  opened.push(async () => cluster?.close())
  const wakeups = new Wakeups(address, report, node)
  opened.push(() => wakeups.close())
  const recorder = makeRecorder(db)
  const runtimes = { runtime, kubernetes: cluster?.runtimes }
  const parts = {
    node,
    installation,
    settings: config,
    db,
    recorder,
    pulse,
    wakeups,
    vault,
    identity,
    ...runtimes,
    meters,
    log,
  }
  const watching: Watching = { engine: parts, settings: config, turns: new Turns(config.watchLooks) }
  const engine: Engine = { ...parts, source: new WatchSource(watching) }

  const state = { draining: false }
  const worker = new Worker(engine)
  const app = await opened.step(buildApp(engine, config, state, { watching, intake: worker }))
  if (gate) {
    const { startGate } = await import('./gate-main.ts')
    const shared = { vault, identity, db, logins }
    const running = await startGate(gate.config, log, gate.version, { shared, signal })
    opened.push(() => running.close())
  }
  opened.push(() => worker.stop())
  opened.push(() => app.close())
  await opened.step(app.listen({ host: config.listenHost, port: config.listenPort }))
  worker.start()
  const watcher = new Watcher(watching)
  opened.push(() => watcher.stop())
  watcher.start()
  // first of all: what is claimed from now on would only be handed over, and not before the last request has its answer
  opened.push(async () => {
    ending.abort()
    worker.drain()
  })

  const { port } = app.server.address() as AddressInfo
  const host = config.listenHost.includes(':') ? `[${config.listenHost}]` : config.listenHost
  const listening = `${config.tlsCert ? 'https' : 'http'}://${host}:${port}`
  log.info({ address: listening, node }, 'listening')
  const drain = () => {
    state.draining = true
    worker.drain()
    log.info('draining: no more jobs are claimed')
  }
  return { address: listening, node, drain, idle: () => worker.idle(), close: () => opened.close() }
}

/** Null: nothing runs on Kubernetes, and nothing of it is loaded. */
async function kubernetesOf(config: Config, installation: string): Promise<Kubernetes | null> {
  const { kubernetesNamespaces: namespaces, kubernetesServer: server } = config
  if (namespaces.length === 0) return null
  const [{ kubernetes }, { findCluster }] = await Promise.all([
    import('./runtimes/kubernetes/kubernetes-runtime.ts'),
    import('./runtimes/kubernetes/cluster.ts'),
  ])
  try {
    const files = { caFile: config.kubernetesCa || undefined, tokenFile: config.kubernetesTokenFile || undefined }
    const cluster = findCluster({ server: server || undefined, ...files })
    const owner = [INSTALLATION_LABEL, installation] as const
    const startMs = config.kubernetesStartTimeout * 1000
    return kubernetes({ cluster, namespaces, owner, startMs, graceSeconds: config.killGraceSeconds })
  } catch (error) {
    throw new ConfigError([`WRIT_KUBERNETES_NAMESPACES is set, and the server ${(error as Error).message}`])
  }
}

/** Null: the address of the database says who we are. */
async function databaseLogin(
  { databaseCreds: path }: Config,
  parts: Pick<DatabaseLoginParts, 'vault' | 'identity' | 'log'>,
  closers: Closers,
): Promise<DatabaseLogin | null> {
  if (!path) return null
  const login = new DatabaseLogin({ ...parts, path })
  closers.push(() => login.close())
  await login.start()
  return login
}
