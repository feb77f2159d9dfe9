import { chmod } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { Vault } from '../vault/client.ts'
import type { Secret } from '../vault/secret.ts'
import type { AuditEntry } from './audit/audit.ts'
import { Alarms } from './gate/alarms.ts'
import { Gate } from './gate/gate.ts'
import { MemoryUses } from './gate/uses/memory.ts'
import { rememberedMs, type Uses } from './gate/uses/uses.ts'
import type { GateConfig } from './gate-config.ts'
import { loginsOf, openStore } from './gate-database.ts'
import { createSchedulers } from './gate-schedulers.ts'
import { takeSocket } from './gate-socket.ts'
import type { DatabaseLogin } from './identity/database-login.ts'
import { Identity } from './identity/identity.ts'
import { type Closers, Opened } from './opened.ts'
import type { Database } from './store/database.ts'

export interface RunningGate {
  /** `http://127.0.0.1:9201`; empty when it listens on a Unix socket only. */
  readonly address: string
  readonly gate: Gate
  /** Takes another certificate, for connections that come from now on. Throws when it is none. */
  renewTls(tls: { cert: string; key: string }): void
  close(): Promise<void>
}

/** What a gate that is a part of a server shares with it. */
export interface Shared {
  readonly vault: Vault
  readonly identity: Identity
  readonly db: Database
  /** Null: its logins for the database do not come from Vault. */
  readonly logins: DatabaseLogin | null
}

/**
 * Puts a gate together and listens. Alone it has its own identity, and a database only if one is configured. `signal` gives the start up, in
 * whatever it is: it throws its reason then.
 */
export async function startGate(
  config: GateConfig,
  log: Logger,
  version: string,
  { shared, signal }: { shared?: Shared; signal?: AbortSignal | undefined } = {},
): Promise<RunningGate> {
  const opened = new Opened(signal)
  try {
    for (const warning of config.warnings) log.warn(warning)
    const vault = shared?.vault ?? vaultOf(config)
    if (!shared) opened.push(() => vault.close())
    const identity =
      shared?.identity ?? new Identity(vault, config.credentials, log, { recreate: config.values.recreate })
    if (!shared) opened.push(() => identity.close())
    const logins = shared ? shared.logins : await opened.step(loginsOf(config, { vault, identity, log }, opened))
    const db = shared?.db ?? (await opened.step(openStore(config, logins, log, opened)))
    const schedulers = await opened.step(createSchedulers(config, db))
    opened.push(async () => await Promise.all([...schedulers.values()].map(scheduler => scheduler.close())))
    const uses = await usesOf(config, db, log)
    opened.push(() => uses.close())
    const record = await recordOf(db)
    const alarms = new Alarms(log, config.values.alarmUrl, async ({ address, ...detail }) => {
      await record({ action: 'gate.alarm', actor: address || 'a local process', detail })
    })
    opened.push(() => alarms.close())
    const admit = async (token: Secret) => await logins?.admit(token)
    const gate = new Gate({ vault, identity, schedulers, uses, alarms, record, admit, settings: config.gate, log })
    const apps = await opened.step(listen(config, gate, version, opened))
    if (!shared && identity.state.sealed) await opened.step(identity.start())
    await opened.step(gate.start())
    const [app] = apps
    const address = app ? addressOf(app, config) : ''
    log.info(
      { address, socket: config.socket, schedulers: [...schedulers.keys()], wire: config.wire },
      'gate listening',
    )
    return {
      address,
      gate,
      renewTls: tls => {
        for (const { server } of apps) if ('setSecureContext' in server) (server as TlsServer).setSecureContext(tls)
      },
      close: () => opened.close(),
    }
  } catch (error) {
    await opened.giveUp()
    throw error
  }
}

interface TlsServer {
  setSecureContext(tls: { cert: string; key: string }): void
}

function vaultOf({ values, vaultCa }: GateConfig): Vault {
  return new Vault({
    address: values.vaultAddr,
    namespace: values.vaultNamespace || undefined,
    ca: vaultCa,
    serverName: values.vaultServerName || undefined,
    cert: values.vaultCert ?? undefined,
    key: values.vaultKey ?? undefined,
    skipVerify: values.skipVerify,
  })
}

async function usesOf({ gate }: GateConfig, db: Database | null, log: Logger): Promise<Uses> {
  const remembered = rememberedMs(gate.taskLifeMs)
  if (!db) return new MemoryUses(remembered)
  const { PostgresUses } = await import('./gate/uses/postgres.ts')
  return new PostgresUses(db, log, { rememberedMs: remembered })
}

async function recordOf(db: Database | null): Promise<(entry: AuditEntry) => Promise<void>> {
  if (!db) return async () => {}
  const { record } = await import('./audit/audit.ts')
  return async entry => await record(db, entry)
}

async function listen(config: GateConfig, gate: Gate, version: string, closers: Closers): Promise<FastifyInstance[]> {
  const { buildGateApp } = await import('./http/gate/app.ts')
  const { values } = config
  const settings = {
    wire: config.wire,
    version,
    sealedStatus: values.sealStatus,
    vaultAddress: (values.vaultPublicAddr || values.vaultAddr).replace(/\/*$/, '/'),
    legacyAdmin: values.legacyAdmin,
    userId: config.userId,
    tokenRate: values.tokenRate,
    unsealRate: values.unsealRate,
    tlsCert: values.tlsCert,
    tlsKey: values.tlsKey,
  }
  const apps: FastifyInstance[] = []
  if (config.listen) {
    const app = await buildGateApp(gate, settings)
    closers.push(() => app.close())
    await app.listen({ host: config.listen.host || '::', port: config.listen.port })
    apps.push(app)
  }
  if (config.socket) {
    const path = config.socket
    // the kernel vouches for who is at the other end; what a certificate would add is nothing
    const app = await buildGateApp(gate, { ...settings, tlsCert: null, tlsKey: null })
    closers.push(() => app.close())
    await takeSocket(path)
    await app.listen({ path })
    // whoever can reach it may ask: the kernel says who it is. Who may reach it is the folder's mode
    await chmod(path, 0o666)
  }
  return apps
}

function addressOf(app: FastifyInstance, { listen: asked, values }: GateConfig): string {
  const { port } = app.server.address() as AddressInfo
  const host = asked?.host || 'localhost'
  return `${values.tlsCert ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
